import type { ChildSa } from '../child/child-sa.ts';
import type { Limits } from '../limits.ts';
import { configuredTraffic, liesWithin, offeredPart, type Traffic } from '../negotiation/traffic.ts';
import type { ChildConfig, ConnectionConfig } from '../types.ts';
import { type Connection, knownAddress } from './connection.ts';

/*
 * A Child SA carries the configuration of its Child as that is now, in the very object. One that was made before its Child
 * became one for other traffic keeps the selectors that it was asked for by; all that the peer need not agree to is up to
 * date. Where what it is for is wanted still, in part at least, it is used until another one of the same name takes its
 * place.
 */

/** Whether a Child SA was made for what is configured, and not for other traffic, or a Child that is wanted no more. */
export function isConfigured({ children }: ConnectionConfig, { config }: Pick<ChildSa, 'config'>): boolean {
  return children.includes(config);
}

/** What is configured now of a Child that was asked for by `asked`. */
export function configuredNow({ children }: ConnectionConfig, asked: ChildConfig): ChildConfig {
  const now = children.find(({ name }) => name === asked.name);
  if (now === undefined) return asked;
  return hasSameTraffic(asked, now) ? now : { ...now, local: asked.local, remote: asked.remote };
}

/** What is configured now of the Child that a pair was made for; a peer may have granted just that before. */
export function configuredFor(config: ConnectionConfig, child: ChildSa, limits: Limits): ChildConfig {
  const named = config.children.find(({ name }) => name === child.config.name);
  if (named !== undefined) {
    const wanted = configuredTraffic(named, child.localAddress, child.remoteAddress, limits);
    if (liesWithinOther(wanted, child.traffic) && liesWithinOther(child.traffic, wanted)) return named;
  }
  return configuredNow(config, child.config);
}

function liesWithinOther(one: Traffic, { localSelectors, remoteSelectors }: Traffic): boolean {
  return liesWithin(one, localSelectors, remoteSelectors);
}

/** Whether nothing is configured any more of what a Child was for. */
export function isUnwanted(connection: Connection, former: ChildConfig, limits: Limits): boolean {
  const now = connection.config.children.find(({ name }) => name === former.name);
  if (now === undefined) return true;
  if (hasSameTraffic(former, now)) return false;
  const { localSelectors, remoteSelectors } = trafficOf(connection, former, limits);
  return offeredPart(trafficOf(connection, now, limits), localSelectors, remoteSelectors, limits).outbound.length === 0;
}

/** Whether two Children are for the same traffic. */
export function hasSameTraffic(one: ChildConfig, other: ChildConfig): boolean {
  return one === other || JSON.stringify([one.local, one.remote]) === JSON.stringify([other.local, other.remote]);
}

function trafficOf(connection: Connection, config: ChildConfig, limits: Limits): Traffic {
  const { localAddress } = connection.config;
  return configuredTraffic(config, localAddress, knownAddress(connection) ?? localAddress, limits);
}
