import type { CryptoProvider, MessageProtection } from '../../crypto/types.ts';
import { ipAddressFromBytes } from '../../wire/ip-address.ts';
import { liesWithin } from '../selector-match.ts';
import type { PortMatch, SaSpec, Selector } from '../types.ts';

/*
 * Whether a packet that came before its SA is one that the SA is for. Sent to this host once more it comes by the loopback
 * interface, and of what comes by that in IPv4 Linux asks no policy (net.ipv4.conf.lo.disable_policy is 1 unless somebody
 * has changed it): the peer could get in what it likes. So it is opened here first.
 */

/** Says of packets, each from its IP header on, whether they are for the SA and hold what it is to protect. */
export function earlyPacketCheck(
  sa: SaSpec,
  messageProtection: CryptoProvider['messageProtection'],
): (packet: Uint8Array) => boolean {
  const { encryption, keyBits, integrity } = sa.algorithms;
  const protection = messageProtection(encryption, keyBits, integrity);
  const { traffic = [] } = sa;
  if (protection === undefined) return () => false;
  return (packet) => {
    const outer = headerOf(packet);
    if (outer === undefined) return false;
    const esp = packet.subarray(outer.headerBytes + (sa.udpEncapsulation === undefined ? 0 : UDP_HEADER_BYTES));
    const inner = opened(sa, protection, esp);
    if (inner === undefined) return false;
    const selector = sa.mode === 'tunnel' ? tunnelled(inner) : selectorOf(outer, inner.nextHeader, inner.payload);
    return selector !== undefined && traffic.some((each) => liesWithin(selector, each));
  };
}

/** What ESP protects (RFC 4303 §2). */
interface Inner {
  readonly nextHeader: number;
  readonly payload: Uint8Array;
}

/**
 * Opens ESP, its ICV checked. None of these is far enough for the high half of an extended sequence number to be anything
 * but zero; where that is part of what a MAC is made of, it stands behind the ciphertext, and nothing is opened.
 */
function opened(sa: SaSpec, protection: MessageProtection, esp: Uint8Array): Inner | undefined {
  if (esp.length < ESP_HEADER_BYTES) return undefined;
  const message = sa.esn ? withHighSequence(esp) : esp;
  const text = sa.encryptionKey.use((encryption) =>
    sa.integrityKey.use((mac) =>
      protection.open({ encryption, integrity: mac }, message, message.length - esp.length + ESP_HEADER_BYTES),
    ),
  );
  if (text === undefined || text.length < ESP_TRAILER_BYTES) return undefined;
  const [padBytes = 0, nextHeader = 0] = text.subarray(text.length - ESP_TRAILER_BYTES);
  const payloadBytes = text.length - ESP_TRAILER_BYTES - padBytes;
  return payloadBytes < 0 ? undefined : { nextHeader, payload: text.subarray(0, payloadBytes) };
}

/** SPI, high half, low half: what an AEAD authenticates (RFC 4106 §5). */
function withHighSequence(esp: Uint8Array): Uint8Array {
  const message = new Uint8Array(esp.length + SEQUENCE_BYTES);
  message.set(esp.subarray(0, SPI_BYTES));
  message.set(esp.subarray(SPI_BYTES), SPI_BYTES + SEQUENCE_BYTES);
  return message;
}

function tunnelled({ nextHeader, payload }: Inner): Selector | undefined {
  const header = headerOf(payload);
  if (header === undefined || nextHeader !== (header.ipVersion === 4 ? IPV4 : IPV6)) return undefined;
  return selectorOf(header, header.protocol, payload.subarray(header.headerBytes));
}

/** What of an IP header the selectors of policies look at. */
interface IpHeader {
  readonly ipVersion: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  /** With extension headers. */
  readonly headerBytes: number;
  /** A fragment that is not the first one: it has no ports. */
  readonly isLaterFragment: boolean;
}

function headerOf(packet: Uint8Array): IpHeader | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) return ipv4Header(packet);
  return version === 6 ? ipv6Header(packet) : undefined;
}

function ipv4Header(packet: Uint8Array): IpHeader | undefined {
  const headerBytes = 4 * ((packet[0] ?? 0) & 0x0f);
  if (headerBytes < IPV4_HEADER_BYTES || packet.length < headerBytes) return undefined;
  return {
    ipVersion: 4,
    source: packet.subarray(12, 16),
    destination: packet.subarray(16, 20),
    protocol: packet[9] ?? 0,
    headerBytes,
    isLaterFragment: (uint16At(packet, 6) & 0x1fff) !== 0,
  };
}

function ipv6Header(packet: Uint8Array): IpHeader | undefined {
  let protocol = packet[6] ?? 0;
  let headerBytes = IPV6_HEADER_BYTES;
  let isLaterFragment = false;
  for (let extensions = 0; IPV6_EXTENSIONS.has(protocol); extensions += 1) {
    if (extensions === MAX_EXTENSIONS || packet.length < headerBytes + 8) return undefined;
    const isFragment = protocol === FRAGMENT;
    if (isFragment) isLaterFragment = uint16At(packet, headerBytes + 2) >> 3 !== 0;
    protocol = packet[headerBytes] ?? 0;
    headerBytes += isFragment ? 8 : 8 * ((packet[headerBytes + 1] ?? 0) + 1);
  }
  if (packet.length < headerBytes) return undefined;
  return {
    ipVersion: 6,
    source: packet.subarray(8, 24),
    destination: packet.subarray(24, 40),
    protocol,
    headerBytes,
    isLaterFragment,
  };
}

/** The selector that is for packets like this one alone; ICMP has its type and code where others have ports. */
function selectorOf(header: IpHeader, protocol: number, payload: Uint8Array): Selector {
  const { source, destination, isLaterFragment } = header;
  const bits = 8 * source.length;
  const [sourcePort, destinationPort] = isLaterFragment ? [0, 0] : portsOf(protocol, payload);
  return {
    source: { address: ipAddressFromBytes(source), length: bits },
    destination: { address: ipAddressFromBytes(destination), length: bits },
    protocol,
    sourcePort: exactly(sourcePort),
    destinationPort: exactly(destinationPort),
  };
}

function portsOf(protocol: number, payload: Uint8Array): readonly [number, number] {
  if (ICMP.has(protocol)) return [payload[0] ?? 0, payload[1] ?? 0];
  return WITH_PORTS.has(protocol) ? [uint16At(payload, 0), uint16At(payload, 2)] : [0, 0];
}

function exactly(value: number): PortMatch {
  return { value, mask: 0xffff };
}

function uint16At(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

const UDP_HEADER_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const SPI_BYTES = 4;
const SEQUENCE_BYTES = 4;
const ESP_TRAILER_BYTES = 2;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** IP protocol numbers. */
const IPV4 = 4;
const IPV6 = 41;
const FRAGMENT = 44;
/** Hop-by-hop options, routing, fragment, destination options. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, 60]);
const MAX_EXTENSIONS = 8;
const ICMP: ReadonlySet<number> = new Set([1, 58]);
/** TCP, UDP, DCCP, SCTP, UDP-Lite: those of which Linux compares ports. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);
