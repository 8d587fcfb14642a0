import type { CryptoProvider, MessageProtection } from '../../crypto/types.ts';
import { ipAddressFromBytes } from '../../wire/ip-address.ts';
import { type IpHeader, readIpHeader, readPorts } from '../../wire/ip-header.ts';
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
    const outer = readIpHeader(packet);
    if (outer?.isWhole !== true) return false;
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
  const header = readIpHeader(payload);
  if (header?.isWhole !== true || nextHeader !== (header.version === 4 ? IPV4 : IPV6)) return undefined;
  return selectorOf(header, header.protocol, payload.subarray(header.headerBytes));
}

/** The selector that is for packets like this one alone. */
function selectorOf(header: IpHeader, protocol: number, payload: Uint8Array): Selector {
  const { source, destination, isLaterFragment } = header;
  const bits = 8 * source.length;
  const ports = isLaterFragment ? NO_PORTS : readPorts(protocol, payload);
  return {
    source: { address: ipAddressFromBytes(source), length: bits },
    destination: { address: ipAddressFromBytes(destination), length: bits },
    protocol,
    sourcePort: exactly(ports.source),
    destinationPort: exactly(ports.destination),
  };
}

function exactly(value: number): PortMatch {
  return { value, mask: 0xffff };
}

const UDP_HEADER_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const SPI_BYTES = 4;
const SEQUENCE_BYTES = 4;
const ESP_TRAILER_BYTES = 2;
/** IP protocol numbers. */
const IPV4 = 4;
const IPV6 = 41;
const NO_PORTS = { source: 0, destination: 0 };
