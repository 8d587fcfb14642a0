import { BYPASS_SEQUENCES, isBypassIndex, OWN_SEQUENCES, ownIndex } from '../dataplane/ownership.ts';
import type { InstalledPolicy, PolicySpec, PortMatch, Selector } from '../dataplane/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';

/**
 * Policies that let pass as it is what must never wait for an SA, in both families: IKE itself (UDP 500 and 4500; what
 * arrives at 4500 includes ESP in UDP), and neighbour discovery, without which no IPv6 packet finds its way to the peer
 * that it is to be encrypted for. They take precedence over every policy of a connection.
 */
export function bypassPolicies(ports: { readonly ike: number; readonly natTraversal: number }): readonly PolicySpec[] {
  const selectors: { readonly direction: 'in' | 'out'; readonly selector: Selector }[] = [];
  for (const address of [IPV4_ANY, IPV6_ANY]) {
    for (const port of [ports.ike, ports.natTraversal]) {
      selectors.push(
        { direction: 'in', selector: selector(address, UDP, ANY, exactly(port)) },
        { direction: 'out', selector: selector(address, UDP, exactly(port), ANY) },
      );
    }
  }
  for (const type of NEIGHBOUR_DISCOVERY) {
    // The kernel has the ICMP type where other protocols have the source port.
    const message = selector(IPV6_ANY, ICMPV6, exactly(type), ANY);
    selectors.push({ direction: 'in', selector: message }, { direction: 'out', selector: message });
  }
  return selectors.map(({ direction, selector }, position) => ({
    direction,
    selector,
    priority: PRIORITY,
    index: ownIndex(FIRST_SEQUENCE + position, direction),
    action: 'allow',
  }));
}

/** Whether a policy in the kernel is one of these, of this run or an earlier one. */
export function isBypass(policy: InstalledPolicy): boolean {
  return policy.ours && policy.template === undefined && isBypassIndex(policy.index);
}

function selector(address: IpAddress, protocol: number, sourcePort: PortMatch, destinationPort: PortMatch): Selector {
  const any = { address, length: 0 };
  return { source: any, destination: any, protocol, sourcePort, destinationPort };
}

function exactly(value: number): PortMatch {
  return { value, mask: 0xffff };
}

const IPV4_ANY = '0.0.0.0' as IpAddress;
const IPV6_ANY = '::' as IpAddress;
const ANY: PortMatch = { value: 0, mask: 0 };
const UDP = 17;
const ICMPV6 = 58;
/** Router and neighbour solicitation and advertisement, redirect (RFC 4861 §4). */
const NEIGHBOUR_DISCOVERY = [133, 134, 135, 136, 137];
/** Below every policy of a connection. */
const PRIORITY = 1_000;
/** Policies of connections are numbered from the beginning of our range. */
const FIRST_SEQUENCE = OWN_SEQUENCES - BYPASS_SEQUENCES;
