import { ipFamily } from '../../wire/ip-address.ts';
import type { Limits } from '../limits.ts';
import type { IkeSa } from '../state.ts';

/** The longest IKE message that one datagram to the peer of an IKE SA may carry. */
export function datagramBytes(sa: IkeSa, limits: Limits): number {
  if (sa.fragmentation === 'smallest') return smallestDatagramBytes(sa, limits);
  return messageBytes(sa, configuredBytes(sa, limits));
}

/** The same for datagrams that every path lets pass. */
export function smallestDatagramBytes(sa: IkeSa, limits: Limits): number {
  const { ipv4, ipv6 } = limits.smallestFragmentBytes;
  return messageBytes(sa, Math.min(configuredBytes(sa, limits), isIpv6(sa) ? ipv6 : ipv4));
}

/** The longest IP packet that every path lets pass. */
export function smallestPacketBytes(sa: IkeSa, limits: Limits): number {
  const { ipv4, ipv6 } = limits.smallestFragmentBytes;
  return isIpv6(sa) ? ipv6 : ipv4;
}

/** The IP packet that a message of so many bytes is sent in. */
export function packetBytes(sa: IkeSa, message: number): number {
  const ipHeaderBytes = isIpv6(sa) ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
  const markerBytes = sa.path.localPort === IKE_PORT ? 0 : NON_ESP_MARKER_BYTES;
  return ipHeaderBytes + UDP_HEADER_BYTES + markerBytes + message;
}

function configuredBytes(sa: IkeSa, limits: Limits): number {
  return sa.connection?.config.fragmentBytes ?? limits.fragmentBytes;
}

/** What of an IP packet is left for the message; the non-ESP marker counts, whether it is there or not. */
function messageBytes(sa: IkeSa, fragmentBytes: number): number {
  const ipHeaderBytes = isIpv6(sa) ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
  return fragmentBytes - ipHeaderBytes - UDP_HEADER_BYTES - NON_ESP_MARKER_BYTES;
}

function isIpv6(sa: IkeSa): boolean {
  return ipFamily(sa.path.remoteAddress) === 6;
}

/** The only one on which messages have no non-ESP marker (RFC 3948 §2.2). */
const IKE_PORT = 500;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const UDP_HEADER_BYTES = 8;
const NON_ESP_MARKER_BYTES = 4;
