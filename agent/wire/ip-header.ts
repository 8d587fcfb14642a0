/*
 * IP packets as the kernel's selectors see them: addresses, protocol, ports. The bytes may be anybody's.
 */

/** What of an IP header decides which policies a packet is for. */
export interface IpHeader {
  readonly version: 4 | 6;
  /** Four bytes or sixteen. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Of what follows the headers. */
  readonly protocol: number;
  /** With options and extension headers, as far as these are there. */
  readonly headerBytes: number;
  /** Whether all of that is there. */
  readonly isWhole: boolean;
  /** A fragment behind the first one, which has no ports. */
  readonly isLaterFragment: boolean;
}

/** Reads the header of a packet; undefined for what is no IP, or cut off before its addresses. */
export function readIpHeader(packet: Uint8Array): IpHeader | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) return readIpv4Header(packet);
  return version === 6 ? readIpv6Header(packet) : undefined;
}

function readIpv4Header(packet: Uint8Array): IpHeader | undefined {
  const headerBytes = 4 * ((packet[0] ?? 0) & 0x0f);
  if (packet.length < IPV4_BYTES || headerBytes < IPV4_BYTES) return undefined;
  return {
    version: 4,
    source: packet.subarray(12, 16),
    destination: packet.subarray(16, 20),
    protocol: packet[9] ?? 0,
    headerBytes,
    isWhole: packet.length >= headerBytes,
    isLaterFragment: (uint16At(packet, 6) & 0x1fff) !== 0,
  };
}

function readIpv6Header(packet: Uint8Array): IpHeader | undefined {
  if (packet.length < IPV6_BYTES) return undefined;
  let protocol = packet[6] ?? 0;
  let headerBytes = IPV6_BYTES;
  let isLaterFragment = false;
  // Each is of eight bytes or more: no more of them than the packet has room for.
  while (EXTENSIONS.has(protocol) && headerBytes + 8 <= packet.length) {
    const isFragment = protocol === FRAGMENT;
    if (isFragment) isLaterFragment ||= (uint16At(packet, headerBytes + 2) & 0xfff8) !== 0;
    const extensionBytes = isFragment ? 8 : 8 * ((packet[headerBytes + 1] ?? 0) + 1);
    protocol = packet[headerBytes] ?? 0;
    headerBytes += extensionBytes;
  }
  return {
    version: 6,
    source: packet.subarray(8, 24),
    destination: packet.subarray(24, 40),
    protocol,
    headerBytes,
    isWhole: packet.length >= headerBytes && !EXTENSIONS.has(protocol),
    isLaterFragment,
  };
}

/** The ports of a packet by what follows its headers: of ICMP type and code, of what has neither 0, as the kernel has it. */
export function readPorts(
  protocol: number,
  payload: Uint8Array,
): { readonly source: number; readonly destination: number } {
  if (ICMP.has(protocol)) return { source: payload[0] ?? 0, destination: payload[1] ?? 0 };
  if (!WITH_PORTS.has(protocol)) return { source: 0, destination: 0 };
  return { source: uint16At(payload, 0), destination: uint16At(payload, 2) };
}

function uint16At(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const FRAGMENT = 44;
/** Hop-by-hop options, routing, fragment, destination options. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, 60]);
const ICMP: ReadonlySet<number> = new Set([1, 58]);
/** TCP, UDP, DCCP, SCTP, UDP-Lite: those of which Linux compares ports. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);
