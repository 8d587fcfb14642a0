import { BYPASS_SEQUENCES, isBypassIndex, OWN_SEQUENCES, ownIndex } from '../dataplane/ownership.ts';
import type { InstalledPolicy, PolicySpec, PolicyTemplate, PortMatch, Selector } from '../dataplane/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';

/** The UDP ports of IKE. */
export interface BypassPorts {
  readonly ike: number;
  readonly natTraversal: number;
}

/** Policies of one kind, under the name by which people know it. */
export interface Bypass {
  readonly traffic: string;
  readonly policies: readonly PolicySpec[];
}

/**
 * Policies that let pass as it is what must never wait for an SA, in both families: IKE itself (UDP 500 and 4500; what
 * arrives at 4500 includes ESP in UDP), and neighbour discovery, without which no IPv6 packet finds its way to the peer
 * that it is to be encrypted for. And of what arrives, what a router on the way says of packets that are too long: where
 * its address is within what is encrypted, a sender that does not hear it sends on for ever. It is never sent in plaintext:
 * such a message has the beginning of the packet in it, which a tunnel may just have decrypted. They take precedence over
 * every policy of a connection.
 */
export function bypasses(ports: BypassPorts): readonly Bypass[] {
  const drafts = [ikeSelectors(ports), neighbourSelectors(), pathMtuSelectors()];
  let position = 0;
  return drafts.map(({ traffic, places, template }) => ({
    traffic,
    policies: places.map(({ direction, selector }) => ({
      direction,
      selector,
      priority: PRIORITY,
      index: ownIndex(FIRST_SEQUENCE + position++, direction),
      action: 'allow',
      ...(template === undefined ? {} : { template }),
    })),
  }));
}

/** All policies of `bypasses`. */
export function bypassPolicies(ports: BypassPorts): readonly PolicySpec[] {
  return bypasses(ports).flatMap(({ policies }) => policies);
}

interface Draft {
  readonly traffic: string;
  readonly places: readonly { readonly direction: 'in' | 'out'; readonly selector: Selector }[];
  readonly template?: PolicyTemplate;
}

function ikeSelectors(ports: BypassPorts): Draft {
  const places: Draft['places'][number][] = [];
  for (const address of [IPV4_ANY, IPV6_ANY]) {
    for (const port of [ports.ike, ports.natTraversal]) {
      places.push(
        { direction: 'in', selector: selector(address, UDP, ANY, exactly(port)) },
        { direction: 'out', selector: selector(address, UDP, exactly(port), ANY) },
      );
    }
  }
  return { traffic: `IKE and ESP in UDP (UDP ${ports.ike} and ${ports.natTraversal})`, places };
}

function neighbourSelectors(): Draft {
  const places = NEIGHBOUR_DISCOVERY.flatMap((type): Draft['places'] => {
    // The kernel has the ICMP type where other protocols have the source port.
    const message = selector(IPV6_ANY, ICMPV6, exactly(type), ANY);
    return [
      { direction: 'in', selector: message },
      { direction: 'out', selector: message },
    ];
  });
  return { traffic: 'neighbour discovery (ICMPv6 133 to 137)', places };
}

function pathMtuSelectors(): Draft {
  return {
    traffic: 'path MTU, received only (ICMP 3/4, ICMPv6 2)',
    places: [
      { direction: 'in', selector: selector(IPV4_ANY, ICMP, exactly(UNREACHABLE), exactly(FRAGMENTATION_NEEDED)) },
      { direction: 'in', selector: selector(IPV6_ANY, ICMPV6, exactly(PACKET_TOO_BIG), ANY) },
    ],
    // Without one, what comes out of a tunnel would be refused.
    template: { mode: 'tunnel', reqid: 0, spi: 0, level: 'optional' },
  };
}

/** Those of `bypasses` that are there unless somebody wants them not to be. */
export function isPathMtuBypass({ selector: { protocol, sourcePort } }: Pick<PolicySpec, 'selector'>): boolean {
  return (
    (protocol === ICMP && sourcePort.value === UNREACHABLE) ||
    (protocol === ICMPV6 && sourcePort.value === PACKET_TOO_BIG)
  );
}

/** Whether a policy in the kernel is one of these, of this run or an earlier one. */
export function isBypass(policy: InstalledPolicy): boolean {
  return policy.ours && isBypassIndex(policy.index);
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
const ICMP = 1;
const UDP = 17;
const ICMPV6 = 58;
/** RFC 792, RFC 4443 §3.2. */
const UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;
/** Router and neighbour solicitation and advertisement, redirect (RFC 4861 §4). */
const NEIGHBOUR_DISCOVERY = [133, 134, 135, 136, 137];
/** Below every policy of a connection. */
const PRIORITY = 1_000;
/** Policies of connections are numbered from the beginning of our range. */
const FIRST_SEQUENCE = OWN_SEQUENCES - BYPASS_SEQUENCES;
