import { type IpAddress, ipAddressFromBytes } from '../../wire/ip-address.ts';
import { readIpHeader, readPorts } from '../../wire/ip-header.ts';

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
  const header = readIpHeader(bytes);
  if (header === undefined) return undefined;
  const { source, destination, protocol, headerBytes, isLaterFragment } = header;
  const payload = isLaterFragment ? NOTHING : bytes.subarray(headerBytes);
  return {
    source: ipAddressFromBytes(source),
    destination: ipAddressFromBytes(destination),
    protocol,
    ports: payload.length < PORTS_BYTES ? undefined : readPorts(protocol, payload),
    hasSpi: payload.length >= 12 && payload.subarray(8, 12).some((byte) => byte !== 0),
  };
}

const PORTS_BYTES = 4;
const NOTHING = new Uint8Array(0);
