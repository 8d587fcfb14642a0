import {
  ADDRESS_BYPASS_END,
  ADDRESS_BYPASS_SEQUENCES,
  BYPASS_SEQUENCES,
  isBypassPolicy,
  OWN_SEQUENCES,
  ownIndex,
} from '../dataplane/ownership.ts';
import { policyKeyText } from '../dataplane/texts.ts';
import type { InstalledPolicy, PolicySpec, PolicyTemplate, PortMatch, Prefix, Selector } from '../dataplane/types.ts';
import { type IpAddress, ipFamily, withoutZone } from '../wire/ip-address.ts';

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
 * Policies that let pass as it is what must never wait for an SA: IKE itself at the addresses at which it is spoken (UDP 500
 * and 4500; what arrives at 4500 includes ESP in UDP), and neighbour discovery, without which no IPv6 packet finds its way
 * to the peer that it is to be encrypted for. And of what arrives, what a router on the way says of packets that are too
 * long: where its address is within what is encrypted, a sender that does not hear it sends on for ever. It is never sent
 * in plaintext: such a message has the beginning of the packet in it, which a tunnel may just have decrypted. They take
 * precedence over every policy of a connection.
 *
 * IKE is let pass at `addresses` only, where no other program can have the ports: out policies are asked of packets, too,
 * that this host forwards, and what a pod sends from one of these ports is to be encrypted.
 */
export function bypasses(ports: BypassPorts, addresses: readonly IpAddress[]): readonly Bypass[] {
  const ike = ikeSelectors(ports, addresses);
  const lastOfAddresses = ADDRESS_BYPASS_END - 1;
  let position = FIRST_OF_ALL_HOSTS;
  return [
    ...(ike.places.length === 0 ? [] : [bypass(ike, (place) => lastOfAddresses - place)]),
    ...[neighbourSelectors(), pathMtuSelectors()].map((draft) => bypass(draft, () => position++)),
  ];
}

/** All policies of `bypasses`. */
export function bypassPolicies(ports: BypassPorts, addresses: readonly IpAddress[]): readonly PolicySpec[] {
  return bypasses(ports, addresses).flatMap(({ policies }) => policies);
}

/**
 * The same policies with indexes that none of `installed` has, where they are not among these already: addresses come and
 * go, and the kernel gives a policy whose index is taken one that is not ours.
 */
export function withFreeIndexes(
  policies: readonly PolicySpec[],
  installed: readonly InstalledPolicy[],
): readonly PolicySpec[] {
  const present = new Set(installed.map(policyKeyText));
  const taken = new Set(installed.map(({ index }) => index));
  return policies.map((policy) => {
    const isOfAllHosts = policy.index >= ownIndex(FIRST_OF_ALL_HOSTS, 'in');
    if (isOfAllHosts || present.has(policyKeyText(policy))) return policy;
    const index = freeIndex(policy, taken);
    taken.add(index);
    return { ...policy, index };
  });
}

/** From the highest downwards, so that a version that knows nothing of these sequences numbers on above them. */
function freeIndex({ index, direction }: PolicySpec, taken: ReadonlySet<number>): number {
  for (let place = 1; place <= ADDRESS_BYPASS_SEQUENCES; place += 1) {
    const free = ownIndex(ADDRESS_BYPASS_END - place, direction);
    if (!taken.has(free)) return free;
  }
  return index;
}

function bypass({ traffic, places, template }: Draft, sequence: (place: number) => number): Bypass {
  const policies = places.map(
    ({ direction, selector }, place): PolicySpec => ({
      direction,
      selector,
      priority: PRIORITY,
      index: ownIndex(sequence(place), direction),
      action: 'allow',
      ...(template === undefined ? {} : { template }),
    }),
  );
  return { traffic, policies };
}

interface Draft {
  readonly traffic: string;
  readonly places: readonly { readonly direction: 'in' | 'out'; readonly selector: Selector }[];
  readonly template?: PolicyTemplate;
}

/** A link-local address is let pass on every link: an in policy can name none, and no packet from one is forwarded. */
function ikeSelectors(ports: BypassPorts, addresses: readonly IpAddress[]): Draft {
  const places: Draft['places'][number][] = [];
  for (const address of new Set(addresses.map(withoutZone))) {
    const own = { address, length: ipFamily(address) === 4 ? 32 : 128 };
    const any = anyOf(ipFamily(address) === 4 ? IPV4_ANY : IPV6_ANY);
    for (const port of [ports.ike, ports.natTraversal]) {
      places.push(
        { direction: 'in', selector: selector(any, own, UDP, ANY, exactly(port)) },
        { direction: 'out', selector: selector(own, any, UDP, exactly(port), ANY) },
      );
    }
  }
  return { traffic: `IKE and ESP in UDP of this node (UDP ${ports.ike} and ${ports.natTraversal})`, places };
}

function neighbourSelectors(): Draft {
  const places = NEIGHBOUR_DISCOVERY.flatMap((type): Draft['places'] => {
    // The kernel has the ICMP type where other protocols have the source port.
    const message = selector(anyOf(IPV6_ANY), anyOf(IPV6_ANY), ICMPV6, exactly(type), ANY);
    return [
      { direction: 'in', selector: message },
      { direction: 'out', selector: message },
    ];
  });
  return { traffic: 'neighbour discovery (ICMPv6 133 to 137)', places };
}

function pathMtuSelectors(): Draft {
  const [ipv4, ipv6] = [anyOf(IPV4_ANY), anyOf(IPV6_ANY)];
  return {
    traffic: 'path MTU, received only (ICMP 3/4, ICMPv6 2)',
    places: [
      { direction: 'in', selector: selector(ipv4, ipv4, ICMP, exactly(UNREACHABLE), exactly(FRAGMENTATION_NEEDED)) },
      { direction: 'in', selector: selector(ipv6, ipv6, ICMPV6, exactly(PACKET_TOO_BIG), ANY) },
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
  return policy.ours && isBypassPolicy(policy);
}

function selector(
  source: Prefix,
  destination: Prefix,
  protocol: number,
  sourcePort: PortMatch,
  destinationPort: PortMatch,
): Selector {
  return { source, destination, protocol, sourcePort, destinationPort };
}

function anyOf(address: IpAddress): Prefix {
  return { address, length: 0 };
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
/**
 * Of policies that are the same on all hosts. The eight sequences before are left to those that let pass IKE of all addresses:
 * an earlier version has left them in the kernel, or has to find them free.
 */
const FIRST_OF_ALL_HOSTS = OWN_SEQUENCES - BYPASS_SEQUENCES + 8;
