import { policyKeyText } from '../../dataplane/texts.ts';
import type { PortMatch, Prefix, Selector } from '../../dataplane/types.ts';
import { ipAddressBytes, ipFamily } from '../../wire/ip-address.ts';
import { portMatches } from '../negotiation/selector.ts';
import type { ExemptionConfig } from '../types.ts';

/** A part of a Child's traffic that stays in plaintext, as the kernel selects it. */
export interface ExemptSelector {
  /** Of packets that leave. */
  readonly selector: Selector;
  /** The Child's own selector that it is a part of. */
  readonly within: Selector;
  readonly exemption: ExemptionConfig;
}

/**
 * What exemptions have in common with the kernel selectors `outbound` of a Child, port ranges cut into aligned blocks;
 * nothing of packets that are not the Child's. Ends at `most`: what is beyond is encrypted like everything else.
 */
export function exemptSelectors(
  outbound: readonly Selector[],
  exempt: readonly ExemptionConfig[],
  most: number,
): readonly ExemptSelector[] {
  const selectors: ExemptSelector[] = [];
  const known = new Set<string>();
  for (const within of outbound) {
    for (const exemption of exempt) {
      for (const selector of commonSelectors(within, exemption)) {
        const key = `${exemption.name} ${policyKeyText({ direction: 'out', selector })}`;
        if (known.has(key)) continue;
        if (selectors.length >= most) return selectors;
        known.add(key);
        selectors.push({ selector, within, exemption });
      }
    }
  }
  return selectors;
}

function commonSelectors(within: Selector, exemption: ExemptionConfig): readonly Selector[] {
  const source = commonPrefix(within.source, exemption.local);
  const destination = commonPrefix(within.destination, exemption.remote);
  const protocol = commonProtocol(within.protocol, exemption.protocol);
  if (source === undefined || destination === undefined || protocol === undefined) return NOTHING;
  const sourcePorts = commonPorts(within.sourcePort, exemption.localPorts);
  const destinationPorts = commonPorts(within.destinationPort, exemption.remotePorts);
  return sourcePorts.flatMap((sourcePort) =>
    destinationPorts.map((destinationPort) => ({
      ...within,
      source,
      destination,
      protocol,
      sourcePort,
      destinationPort,
    })),
  );
}

/** Prefixes lie within each other or apart. */
function commonPrefix(one: Prefix, other: Prefix | undefined): Prefix | undefined {
  if (other === undefined) return one;
  if (ipFamily(one.address) !== ipFamily(other.address)) return undefined;
  const [narrow, wide] = one.length >= other.length ? [one, other] : [other, one];
  return startsAlike(ipAddressBytes(narrow.address), ipAddressBytes(wide.address), wide.length) ? narrow : undefined;
}

function startsAlike(one: Uint8Array, other: Uint8Array, bits: number): boolean {
  return one.every((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - 8 * index));
    return ((byte ^ (other[index] ?? 0)) & (0xff00 >> kept) & 0xff) === 0;
  });
}

function commonProtocol(one: number, other: number): number | undefined {
  if (one === 0 || one === other) return other;
  return other === 0 ? one : undefined;
}

/** Aligned blocks of ports lie within each other or apart, as prefixes do. */
function commonPorts(within: PortMatch, { from, to }: ExemptionConfig['localPorts']): readonly PortMatch[] {
  const blocks = portMatches(from, to, MOST_BLOCKS) ?? [];
  return blocks.flatMap((block) => {
    const [narrow, wide] = block.mask >= within.mask ? [block, within] : [within, block];
    return (narrow.value & wide.mask) === wide.value ? [narrow] : [];
  });
}

const NOTHING: readonly Selector[] = [];
/** No range of 16 bits takes more: two of each size but the largest. */
const MOST_BLOCKS = 30;
