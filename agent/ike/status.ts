import type { ChildSa } from './child/child-sa.ts';
import { isConfigured } from './connection/configured.ts';
import type { Connection } from './connection/connection.ts';
import type { Core } from './core.ts';
import { securedBy } from './message/protected-message.ts';
import { identityText } from './negotiation/identity.ts';
import { selectorText } from './negotiation/selector.ts';
import type { Traffic } from './negotiation/traffic.ts';
import { reauthenticationAt } from './rekey/authentication-lifetime.ts';
import type { IkeSa } from './state.ts';
import type {
  ChildSaStatus,
  ConnectionConfig,
  ConnectionStatus,
  EndpointStatus,
  IkeSaStatus,
  Instant,
} from './types.ts';

/** A picture of all connections for people; it shares nothing that changes with the endpoint. */
export function statusOf(core: Core, at: Instant): EndpointStatus {
  return {
    connections: Array.from(core.connections.values(), connectionStatus),
    halfOpen: core.halfOpen.size,
    demandsCookies: core.halfOpen.demandsCookiesOfAll(at),
    unselected: core.unselected.map(({ id }) => id),
    tables: {
      ikeSas: core.ikeSas.size,
      espSpis: core.espSpis.size,
      verifications: core.jobs.size,
      queuedRequests: [...core.ikeSas.values()].reduce((sum, sa) => sum + sa.queue.length, 0),
      incompleteMessages: core.strangersRoom.messages + core.peersRoom.messages,
    },
  };
}

function connectionStatus(connection: Connection): ConnectionStatus {
  const { config } = connection;
  return {
    name: config.name,
    localAddress: config.localAddress,
    remoteAddress: config.remoteAddress,
    ...identityTexts(config),
    ikeSas: connection.ikeSas.map((sa) => ikeSaStatus(sa, connection)),
    espInUdp: connection.espInUdp,
    pathMtu: connection.pathMtu,
    policies: [...connection.policies.values()],
    lastFailure: connection.lastFailure,
    nextAttemptAt: connection.nextAttemptAt,
  };
}

function ikeSaStatus(sa: IkeSa, connection: Connection): IkeSaStatus {
  const { state } = sa;
  const { pending } = sa.window;
  const initiator = sa.role === 'initiator';
  const established = state.kind === 'established';
  return {
    number: sa.number,
    state: established || state.kind === 'deleting' || state.kind === 'rekeyed' ? state.kind : 'connecting',
    role: sa.role,
    path: sa.path,
    initiatorSpi: initiator ? sa.localSpi : sa.remoteSpi,
    responderSpi: initiator ? sa.remoteSpi : sa.localSpi,
    suite: securedBy(state)?.cryptography.suite.text ?? '',
    nat: sa.nat,
    startedAt: sa.startedAt,
    establishedAt: established ? state.establishedAt : undefined,
    rekeyAt: established ? state.rekeyAt : undefined,
    reauthenticateAt: established ? reauthenticationAt(state) : undefined,
    lastHeardAt: sa.lastHeardAt,
    unansweredSince: pending !== undefined && pending.attempt > 0 ? pending.openedAt : undefined,
    children: established ? state.children.map((child) => childStatus(child, connection)) : [],
  };
}

function childStatus(child: ChildSa, { config, arrivals }: Connection): ChildSaStatus {
  const isCurrent = child.usage !== 'superseded' && isConfigured(config, child);
  return {
    name: child.config.name,
    state: isCurrent ? 'installed' : 'superseded',
    mode: child.mode,
    reqid: child.config.reqid,
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    suite: child.suite.text,
    udpEncapsulation: child.udpEncapsulation,
    ...selectorTexts(child.traffic),
    installedAt: child.installedAt,
    arrival: arrivals.get(child.inboundSpi),
    rekeyAt: afterSeconds(child.installedAt, child.lifetime.softSeconds),
    expiresAt: afterSeconds(child.installedAt, child.lifetime.hardSeconds),
  };
}

function identityTexts(config: ConnectionConfig): Pick<ConnectionStatus, 'localIdentity' | 'remoteIdentity'> {
  const known = knownIdentities.get(config);
  if (known !== undefined) return known;
  const texts = {
    localIdentity: identityText(config.localIdentity),
    remoteIdentity: identityText(config.remoteIdentity),
  };
  knownIdentities.set(config, texts);
  return texts;
}

function selectorTexts(traffic: Traffic): Pick<ChildSaStatus, 'localSelectors' | 'remoteSelectors'> {
  const known = knownSelectors.get(traffic);
  if (known !== undefined) return known;
  const texts = {
    localSelectors: traffic.localSelectors.map(selectorText),
    remoteSelectors: traffic.remoteSelectors.map(selectorText),
  };
  knownSelectors.set(traffic, texts);
  return texts;
}

function afterSeconds(at: Instant, seconds: number | undefined): Instant | undefined {
  return seconds === undefined ? undefined : at + seconds * 1_000;
}

/* Pictures are asked for again and again, and most of the time went into these texts, which never change. */
const knownIdentities = new WeakMap<ConnectionConfig, ReturnType<typeof identityTexts>>();
const knownSelectors = new WeakMap<Traffic, ReturnType<typeof selectorTexts>>();
