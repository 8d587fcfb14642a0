import type { Selector } from '../dataplane/types.ts';
import { exemptSelectors } from '../ike/child/exemptions.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import { configuredTraffic } from '../ike/negotiation/traffic.ts';
import type { PlannedChild, PlannedConnection } from './config/agent-config.ts';

/** The packets that leave which a connection is about. */
export function outboundOf(connection: PlannedConnection): readonly Selector[] {
  const { children, remoteAddress } = connection;
  return children.flatMap((child) => {
    const isNamed = child.remote.every(({ prefix }) => prefix !== undefined);
    return remoteAddress === 'any' && !isNamed ? [] : outboundOfChild(connection, child);
  });
}

/** What of that is sent as it is, since it is exempt. */
export function exemptOf(connection: PlannedConnection): readonly Selector[] {
  return connection.children.flatMap((child) =>
    exemptSelectors(outboundOfChild(connection, child), child.exempt ?? [], DEFAULT_LIMITS.exemptSelectorsPerChild)
      .filter(({ exemption }) => exemption.isSent)
      .map(({ selector }) => selector),
  );
}

function outboundOfChild({ localAddress, remoteAddress }: PlannedConnection, child: PlannedChild): readonly Selector[] {
  const remote = remoteAddress === 'any' ? localAddress : remoteAddress;
  return configuredTraffic(child, localAddress, remote, DEFAULT_LIMITS).outbound;
}
