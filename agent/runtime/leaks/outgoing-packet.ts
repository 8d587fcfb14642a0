import { type IpAddress, ipAddressFromBytes } from '../../wire/ip-address.ts';

/** What of a packet decides whether it should have been encrypted, and whether it is. */
export interface OutgoingPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** Of a fragment behind the first one they are unknown; of ICMP they are type and code, as the kernel has it. */
  readonly ports: { readonly source: number; readonly destination: number } | undefined;
  /** Whether UDP carries ESP rather than IKE, at the ports of which that is a question. */
  readonly hasSpi: boolean;
}

/** Reads a packet from its IP header on; undefined for what is no IP, or cut off before its addresses. */
export function readOutgoingPacket(bytes: Uint8Array): OutgoingPacket | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return readIpv4(bytes);
  return version === 6 ? readIpv6(bytes) : undefined;
}

function readIpv4(bytes: Uint8Array): OutgoingPacket | undefined {
  if (bytes.length < IPV4_BYTES) return undefined;
  const isLater = (uint16(bytes, 6) & 0x1fff) !== 0;
  const payload = bytes.subarray(4 * ((bytes[0] ?? 0) & 0x0f));
  return packet(bytes.subarray(12, 16), bytes.subarray(16, 20), bytes[9] ?? 0, isLater ? undefined : payload);
}

/** Extension headers are passed over where they are whole; the rest is judged by addresses alone. */
function readIpv6(bytes: Uint8Array): OutgoingPacket | undefined {
  if (bytes.length < IPV6_BYTES) return undefined;
  let protocol = bytes[6] ?? 0;
  let offset = IPV6_BYTES;
  let isLater = false;
  while (EXTENSIONS.has(protocol) && offset + 8 <= bytes.length) {
    if (protocol === FRAGMENT) isLater ||= (uint16(bytes, offset + 2) & 0xfff8) !== 0;
    const length = protocol === FRAGMENT ? 8 : 8 * ((bytes[offset + 1] ?? 0) + 1);
    protocol = bytes[offset] ?? 0;
    offset += length;
  }
  return packet(bytes.subarray(8, 24), bytes.subarray(24, 40), protocol, isLater ? undefined : bytes.subarray(offset));
}

function packet(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  payload: Uint8Array | undefined,
): OutgoingPacket {
  const isIcmp = protocol === ICMP || protocol === ICMPV6;
  const ports =
    payload === undefined || payload.length < 4
      ? undefined
      : isIcmp
        ? { source: payload[0] ?? 0, destination: payload[1] ?? 0 }
        : { source: uint16(payload, 0), destination: uint16(payload, 2) };
  const hasSpi = payload !== undefined && payload.length >= 12 && payload.subarray(8, 12).some((byte) => byte !== 0);
  return { source: ipAddressFromBytes(source), destination: ipAddressFromBytes(destination), protocol, ports, hasSpi };
}

function uint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const ICMP = 1;
const ICMPV6 = 58;
const FRAGMENT = 44;
/** Hop-by-hop, routing, fragment, destination options. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, 60]);
