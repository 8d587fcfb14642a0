import type { Selector } from '../../dataplane/types.ts';
import { type IpAddress, zoneOf } from '../../wire/ip-address.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import type { Limits } from '../limits.ts';
import type { ChildConfig } from '../types.ts';
import { isWithin, narrow, outboundSelectors, selectorText, trafficSelectors } from './selector.ts';

/** What a Child SA is for. */
export interface Traffic {
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** The interface of the link that both sides have addresses of, where those are link-local; its packets alone are meant. */
  readonly interface: string | undefined;
  /** The same for the kernel: of packets that leave. Empty where nothing is left, or the kernel could not be told. */
  readonly outbound: readonly Selector[];
}

/**
 * The traffic that a Child is configured for, between the addresses that the two sides use for IKE. It is asked for at
 * each negotiation and each change of policies, and nearly always for the same addresses: the last answer is kept for
 * as long as the configuration is, and shared by the SAs that agree to all of it.
 */
export function configuredTraffic(
  config: Pick<ChildConfig, 'local' | 'remote'>,
  local: IpAddress,
  remote: IpAddress,
  limits: Limits,
): Traffic {
  const known = answers.get(config);
  if (known?.local === local && known.remote === remote && known.limits === limits) return known.traffic;
  const ours = trafficSelectors(config.local, local);
  const traffic = trafficOf(ours, trafficSelectors(config.remote, remote), zoneOf(local), limits);
  answers.set(config, { local, remote, limits, traffic });
  return traffic;
}

/** What is common to the traffic that is allowed and the selectors that a peer offers. */
export function offeredPart(
  allowed: Traffic,
  offeredLocal: readonly TrafficSelector[],
  offeredRemote: readonly TrafficSelector[],
  limits: Limits,
): Traffic {
  if (liesWithin(allowed, offeredLocal, offeredRemote)) return allowed;
  return trafficOf(
    narrow(offeredLocal, allowed.localSelectors, limits),
    narrow(offeredRemote, allowed.remoteSelectors, limits),
    allowed.interface,
    limits,
  );
}

/** What a peer grants of the traffic asked for; its selectors are known to lie within. */
export function grantedPart(
  asked: Traffic,
  grantedLocal: readonly TrafficSelector[],
  grantedRemote: readonly TrafficSelector[],
  limits: Limits,
): Traffic {
  if (liesWithin(asked, grantedLocal, grantedRemote)) return asked;
  return trafficOf(grantedLocal, grantedRemote, asked.interface, limits);
}

/** `10.1.0.0/16[tcp/443] to 10.2.0.0/16` */
export function trafficText({ localSelectors, remoteSelectors }: Traffic): string {
  return `${localSelectors.map(selectorText).join(' ')} to ${remoteSelectors.map(selectorText).join(' ')}`;
}

function trafficOf(
  localSelectors: readonly TrafficSelector[],
  remoteSelectors: readonly TrafficSelector[],
  link: string | undefined,
  limits: Limits,
): Traffic {
  const outbound = outboundSelectors(localSelectors, remoteSelectors, limits) ?? [];
  return {
    localSelectors,
    remoteSelectors,
    interface: link,
    outbound: link === undefined ? outbound : outbound.map((selector) => ({ ...selector, interface: link })),
  };
}

/** Whether all of some traffic lies within selectors of both sides. */
export function liesWithin(
  { localSelectors, remoteSelectors }: Traffic,
  local: readonly TrafficSelector[],
  remote: readonly TrafficSelector[],
): boolean {
  return isWithin(localSelectors, local) && isWithin(remoteSelectors, remote);
}

/** An answer and what it was given for. */
interface Answer {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly limits: Limits;
  readonly traffic: Traffic;
}

const answers = new WeakMap<Pick<ChildConfig, 'local' | 'remote'>, Answer>();
