import type { PortMatch, Prefix, Selector } from '../../dataplane/types.ts';
import { type IpAddress, ipAddressBytes, ipAddressFromBytes, ipFamily } from '../../wire/ip-address.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { TsType } from '../../wire/registry.ts';
import type { Limits } from '../limits.ts';
import type { SelectorConfig } from '../types.ts';
import { compareBytes } from './byte-order.ts';

/**
 * The traffic selectors that a side's configuration asks for; a selector without a prefix stands for `ikeAddress`, the
 * address that the side uses for IKE itself.
 */
export function trafficSelectors(
  configured: readonly SelectorConfig[],
  ikeAddress: IpAddress,
): readonly TrafficSelector[] {
  return configured.map((selector) => {
    const start = ipAddressBytes(selector.prefix?.address ?? ikeAddress);
    const end = lastAddress(start, selector.prefix?.length ?? start.length * 8);
    return {
      tsType: start.length === IPV4_BYTES ? TsType.TS_IPV4_ADDR_RANGE : TsType.TS_IPV6_ADDR_RANGE,
      protocol: selector.protocol,
      startPort: selector.fromPort,
      endPort: selector.toPort,
      start,
      end,
    };
  });
}

/**
 * What both sides can agree to: the intersections of each offered with each allowed selector, those dropped that lie
 * within another (RFC 7296 §2.9). Empty: nothing (TS_UNACCEPTABLE).
 */
export function narrow(
  offered: readonly TrafficSelector[],
  allowed: readonly TrafficSelector[],
  limits: Limits,
): readonly TrafficSelector[] {
  const common: TrafficSelector[] = [];
  for (const theirs of offered.slice(0, limits.selectorsPerSide)) {
    for (const ours of allowed.slice(0, limits.selectorsPerSide)) {
      const both = intersection(theirs, ours);
      if (both !== undefined && !common.some((known) => contains(known, both))) {
        const kept = common.filter((known) => !contains(both, known));
        common.length = 0;
        common.push(...kept, both);
      }
      if (common.length >= limits.selectorsPerSide) return common;
    }
  }
  return common;
}

/** Whether every selector of `inner` lies within one of `outer`: a responder may only narrow, never widen. */
export function isWithin(inner: readonly TrafficSelector[], outer: readonly TrafficSelector[]): boolean {
  return inner.every((selector) => outer.some((wide) => contains(wide, selector)));
}

/**
 * The kernel selectors of outbound packets, local to remote: every local with every remote selector of the same family
 * and protocol, ranges cut into prefixes and port masks. Undefined where that takes more than `limits.policiesPerChild`
 * or where nothing is left, which the kernel could not be told.
 */
export function outboundSelectors(
  local: readonly TrafficSelector[],
  remote: readonly TrafficSelector[],
  limits: Limits,
): readonly Selector[] | undefined {
  const selectors: Selector[] = [];
  for (const here of local) {
    for (const there of remote) {
      if (here.start.length !== there.start.length) continue;
      const protocol = commonProtocol(here.protocol, there.protocol);
      if (protocol === undefined) continue;
      const pairs = pairSelectors(here, there, protocol, limits.policiesPerChild - selectors.length);
      if (pairs === undefined) return undefined;
      selectors.push(...pairs);
    }
  }
  return selectors.length === 0 ? undefined : selectors;
}

/** All packets from one host to another. */
export function betweenHosts(source: IpAddress, destination: IpAddress): Selector {
  const length = ipFamily(source) === 4 ? 32 : 128;
  return {
    source: { address: source, length },
    destination: { address: destination, length },
    protocol: 0,
    sourcePort: ANY_PORT,
    destinationPort: ANY_PORT,
  };
}

/**
 * The selector of the packets that come back, by whatever interface. The type and code of an ICMP message are no ports
 * of two sides.
 */
export function reversed({ interface: _, ...selector }: Selector): Selector {
  if (ICMP.has(selector.protocol)) return { ...selector, source: selector.destination, destination: selector.source };
  return {
    source: selector.destination,
    destination: selector.source,
    protocol: selector.protocol,
    sourcePort: selector.destinationPort,
    destinationPort: selector.sourcePort,
  };
}

/** Whether a packet can be meant by both of two selectors although neither is the narrower one by its addresses. */
export function collides(left: Selector, right: Selector): boolean {
  return (
    isSamePrefix(left.source, right.source) &&
    isSamePrefix(left.destination, right.destination) &&
    commonProtocol(left.protocol, right.protocol) !== undefined &&
    portsMeet(left.sourcePort, right.sourcePort) &&
    portsMeet(left.destinationPort, right.destinationPort)
  );
}

/** `10.1.0.0/16[tcp/443]`, `10.0.0.1-10.0.0.9`. */
export function selectorText(selector: TrafficSelector): string {
  const first = ipAddressFromBytes(selector.start);
  const prefixes = rangePrefixes(selector.start, selector.end, 1);
  const [only] = prefixes ?? [];
  const addresses = only === undefined ? `${first}-${ipAddressFromBytes(selector.end)}` : `${first}/${only.length}`;
  const anyPort = selector.startPort === 0 && selector.endPort === MAX_PORT;
  if (selector.protocol === 0 && anyPort) return addresses;
  const ports = anyPort ? '' : `/${portText(selector)}`;
  return `${addresses}[${PROTOCOL_NAMES[selector.protocol] ?? selector.protocol}${ports}]`;
}

function portText(selector: TrafficSelector): string {
  if (ICMP.has(selector.protocol)) {
    const type = selector.startPort >> 8;
    return selector.startPort === selector.endPort ? `${type}.${selector.startPort & 0xff}` : `${type}`;
  }
  return selector.startPort === selector.endPort
    ? `${selector.startPort}`
    : `${selector.startPort}-${selector.endPort}`;
}

function contains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  return (
    outer.tsType === inner.tsType &&
    (outer.protocol === 0 || outer.protocol === inner.protocol) &&
    outer.startPort <= inner.startPort &&
    outer.endPort >= inner.endPort &&
    compareBytes(outer.start, inner.start) <= 0 &&
    compareBytes(outer.end, inner.end) >= 0
  );
}

/** OPAQUE ports (start above end, RFC 7296 §3.13.1) meet nothing: the kernel cannot select by "no ports visible". */
function intersection(left: TrafficSelector, right: TrafficSelector): TrafficSelector | undefined {
  if (left.tsType !== right.tsType) return undefined;
  const protocol = commonProtocol(left.protocol, right.protocol);
  const start = compareBytes(left.start, right.start) >= 0 ? left.start : right.start;
  const end = compareBytes(left.end, right.end) <= 0 ? left.end : right.end;
  const startPort = Math.max(left.startPort, right.startPort);
  const endPort = Math.min(left.endPort, right.endPort);
  if (protocol === undefined || compareBytes(start, end) > 0 || startPort > endPort) return undefined;
  return { tsType: left.tsType, protocol, startPort, endPort, start, end };
}

function isSamePrefix(left: Prefix, right: Prefix): boolean {
  return left.address === right.address && left.length === right.length;
}

function portsMeet(left: PortMatch, right: PortMatch): boolean {
  return ((left.value ^ right.value) & left.mask & right.mask) === 0;
}

function commonProtocol(left: number, right: number): number | undefined {
  if (left === 0 || left === right) return right;
  return right === 0 ? left : undefined;
}

function pairSelectors(
  here: TrafficSelector,
  there: TrafficSelector,
  protocol: number,
  most: number,
): readonly Selector[] | undefined {
  const sources = rangePrefixes(here.start, here.end, most);
  const destinations = rangePrefixes(there.start, there.end, most);
  const ports = portPairs(here, there, protocol, most);
  if (sources === undefined || destinations === undefined || ports === undefined) return undefined;
  if (sources.length * destinations.length * ports.length > most) return undefined;
  const selectors: Selector[] = [];
  for (const source of sources) {
    for (const destination of destinations) {
      for (const [sourcePort, destinationPort] of ports) {
        selectors.push({ source, destination, protocol, sourcePort, destinationPort });
      }
    }
  }
  return selectors;
}

/** ICMP has type and code in one number (RFC 7296 §3.13.1), which the kernel wants as source and destination port. */
function portPairs(
  here: TrafficSelector,
  there: TrafficSelector,
  protocol: number,
  most: number,
): readonly (readonly [PortMatch, PortMatch])[] | undefined {
  if (ICMP.has(protocol)) return icmpPairs(here.startPort === 0 && here.endPort === MAX_PORT ? there : here);
  const sourcePorts = portMatches(here.startPort, here.endPort, most);
  const destinationPorts = portMatches(there.startPort, there.endPort, most);
  if (sourcePorts === undefined || destinationPorts === undefined) return undefined;
  if (sourcePorts === ANY_PORTS && destinationPorts === ANY_PORTS) return ANY_PORT_PAIRS;
  return sourcePorts.flatMap((source) => destinationPorts.map((destination) => [source, destination] as const));
}

/** Any message, one type with any code, or one type with one code; other ranges have no kernel form. */
function icmpPairs(selector: TrafficSelector): readonly (readonly [PortMatch, PortMatch])[] | undefined {
  const { startPort, endPort } = selector;
  if (startPort === 0 && endPort === MAX_PORT) return ANY_PORT_PAIRS;
  const type = { value: startPort >> 8, mask: MAX_PORT };
  if (startPort === endPort) return [[type, { value: startPort & 0xff, mask: MAX_PORT }]];
  if ((startPort & 0xff) === 0 && endPort === startPort + 0xff) return [[type, ANY_PORT]];
  return undefined;
}

/** Cuts a port range into aligned blocks, as a range of addresses is cut into prefixes; undefined where it takes more than `most`. */
export function portMatches(from: number, to: number, most: number): readonly PortMatch[] | undefined {
  if (from === 0 && to === MAX_PORT) return ANY_PORTS;
  const matches: PortMatch[] = [];
  let port = from;
  while (port <= to) {
    let size = 1;
    while (size <= MAX_PORT && port % (size * 2) === 0 && port + size * 2 - 1 <= to) size *= 2;
    if (matches.length >= most) return undefined;
    matches.push({ value: port, mask: (0x10000 - size) & MAX_PORT });
    port += size;
  }
  return matches;
}

/** Cuts an address range into prefixes; undefined where it takes more than `most`. */
function rangePrefixes(start: Uint8Array, end: Uint8Array, most: number): readonly Prefix[] | undefined {
  const prefixes: Prefix[] = [];
  let from = start;
  for (;;) {
    let length = start.length * 8;
    while (length > 0 && isAligned(from, length - 1) && compareLast(from, length - 1, end) <= 0) length -= 1;
    if (prefixes.length >= most) return undefined;
    prefixes.push({ address: ipAddressFromBytes(from), length });
    if (compareLast(from, length, end) >= 0) return prefixes;
    from = following(lastAddress(from, length));
  }
}

/** Whether the bits of `address` behind the first `length` are zero. */
function isAligned(address: Uint8Array, length: number): boolean {
  for (let index = length >> 3; index < address.length; index += 1) {
    if (((address[index] ?? 0) & hostBits(length, index)) !== 0) return false;
  }
  return true;
}

/** The last address of the block of `length` bits that `address` lies in. */
function lastAddress(address: Uint8Array, length: number): Uint8Array {
  if (length === address.length * 8) return address;
  return address.map((byte, index) => byte | hostBits(length, index));
}

/** As `compareBytes(lastAddress(address, length), other)`, which is asked for every length and so makes no array. */
function compareLast(address: Uint8Array, length: number, other: Uint8Array): number {
  for (let index = 0; index < address.length; index += 1) {
    const difference = ((address[index] ?? 0) | hostBits(length, index)) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Of byte `index` of an address, the bits behind the first `length` of the whole. */
function hostBits(length: number, index: number): number {
  const kept = length - index * 8;
  return kept <= 0 ? 0xff : kept >= 8 ? 0 : 0xff >> kept;
}

function following(address: Uint8Array): Uint8Array {
  const next = address.slice();
  for (let index = next.length - 1; index >= 0; index -= 1) {
    const byte = ((next[index] ?? 0) + 1) & 0xff;
    next[index] = byte;
    if (byte !== 0) break;
  }
  return next;
}

const IPV4_BYTES = 4;
const MAX_PORT = 0xffff;
const ANY_PORT: PortMatch = { value: 0, mask: 0 };
const ANY_PORTS: readonly PortMatch[] = [ANY_PORT];
const ANY_PORT_PAIRS: readonly (readonly [PortMatch, PortMatch])[] = [[ANY_PORT, ANY_PORT]];
const ICMP: ReadonlySet<number> = new Set([1, 58]);
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp' };
