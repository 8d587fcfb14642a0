import { policyKeyText } from '../../dataplane/texts.ts';
import type { PolicyDirection, PolicySpec, Selector } from '../../dataplane/types.ts';
import type { Limits } from '../limits.ts';
import { reversed } from '../negotiation/selector.ts';
import type { Traffic } from '../negotiation/traffic.ts';
import type { ChildConfig, ExemptionConfig } from '../types.ts';
import { exemptSelectors } from './exemptions.ts';

/** Where a policy stands in the kernel, and by which name. */
export interface Place extends Pick<PolicySpec, 'direction' | 'selector' | 'priority'> {
  readonly key: string;
}

/** The place of a policy of what is exempt. */
export interface ExemptPlace extends Place {
  readonly exemption: ExemptionConfig;
}

/** The places of a Child's policies: kept beside its traffic, since every change of a policy asks for all of them. */
export function placesOf(traffic: Traffic, mode: ChildConfig['mode']): readonly Place[] {
  const known = places.get(traffic);
  if (known !== undefined) return known;
  const made = traffic.outbound.flatMap((outbound) => {
    const inbound = reversed(outbound);
    const hosts = [placeOf('out', outbound), placeOf('in', inbound)];
    return mode === 'tunnel' ? [...hosts, placeOf('fwd', inbound)] : hosts;
  });
  places.set(traffic, made);
  return made;
}

/** Where the policies of what is exempt stand: right before those of the Child's own selector that it is a part of. */
export function exemptPlacesOf(
  traffic: Traffic,
  { mode, exempt = NOT_EXEMPT }: Pick<ChildConfig, 'mode' | 'exempt'>,
  limits: Limits,
): readonly ExemptPlace[] {
  const known = exemptPlaces.get(traffic);
  if (known?.exempt === exempt && known.mode === mode) return known.places;
  const made = exemptSelectors(traffic.outbound, exempt, limits.exemptSelectorsPerChild).flatMap(
    ({ selector, within, exemption }): readonly ExemptPlace[] => {
      const back = reversed(selector);
      const directions: readonly (readonly [PolicyDirection, Selector])[] = [
        ['in', back],
        ...(mode === 'tunnel' ? ([['fwd', back]] as const) : []),
        ...(exemption.isSent ? ([['out', selector]] as const) : []),
      ];
      const priority = priorityOf(within) - 1;
      return directions.map(([direction, each]) => ({ ...placeOf(direction, each), priority, exemption }));
    },
  );
  exemptPlaces.set(traffic, { exempt, mode, places: made });
  return made;
}

/** Whether a policy of ours is one of what is exempt. */
export function isExempt({ priority }: Pick<PolicySpec, 'priority'>): boolean {
  return (PRIORITY_BASE - priority) % 2 !== 0;
}

function placeOf(direction: PolicyDirection, selector: Selector): Place {
  return { direction, selector, priority: priorityOf(selector), key: policyKeyText({ direction, selector }) };
}

/**
 * Narrower selectors win: by prefix lengths first, then by protocol and ports. Before each priority one is left free, for
 * what is exempt of those packets and of no narrower ones.
 */
function priorityOf(selector: Selector): number {
  const prefixes = selector.source.length + selector.destination.length;
  const protocol = selector.protocol === 0 ? 0 : 1;
  const ports = bitCount(selector.sourcePort.mask) + bitCount(selector.destinationPort.mask);
  return PRIORITY_BASE - 2 * (prefixes * PREFIX_WEIGHT + protocol * PROTOCOL_WEIGHT + ports);
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

const places = new WeakMap<Traffic, readonly Place[]>();
const exemptPlaces = new WeakMap<
  Traffic,
  Pick<ChildConfig, 'mode'> & { readonly exempt: readonly ExemptionConfig[]; readonly places: readonly ExemptPlace[] }
>();
const NOT_EXEMPT: readonly ExemptionConfig[] = [];
/**
 * Behind the bypasses of IKE itself (priority below 10,000) and before the kernel's usual daemons (strongSwan: 367,000
 * up).
 */
const PRIORITY_BASE = 200_000;
const PREFIX_WEIGHT = 128;
const PROTOCOL_WEIGHT = 64;
