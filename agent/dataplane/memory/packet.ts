import { type IpAddress, ipAddressBytes } from '../../wire/ip-address.ts';
import { uint32At } from '../../wire/uint32.ts';
import type { IpsecMode, PortMatch, Prefix, SaId, Selector } from '../types.ts';

/** An unencrypted IP packet, as far as XFRM looks at it. */
export interface PlainPacket {
  readonly kind: 'plain';
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** IP protocol number. */
  readonly protocol: number;
  /** Ports; ICMP type and code; 0 for protocols that have neither. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Length of what follows the IP header. */
  readonly payloadBytes: number;
  readonly mark?: number;
  /** By which it leaves; nothing for one that has arrived, as Linux has it. */
  readonly interface?: string;
}

/** An ESP packet, in UDP or not. */
export interface EspPacket {
  readonly kind: 'esp';
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly spi: number;
  /** The 32 bits that are sent. */
  readonly sequence: number;
  /** The outer ports; undefined where it is not in UDP. */
  readonly udp: { readonly sourcePort: number; readonly destinationPort: number } | undefined;
  /** Stands for the ICV, which only the same keys, algorithms and full sequence number make equal. */
  readonly authenticator: { readonly fingerprint: number; readonly sequence: number };
  readonly mode: IpsecMode;
  readonly inner: PlainPacket;
}

export type Packet = PlainPacket | EspPacket;

/** The counters of /proc/net/xfrm_stat that a packet can raise here. */
export type XfrmStatistic =
  | 'XfrmOutError'
  | 'XfrmOutPolBlock'
  | 'XfrmOutNoStates'
  | 'XfrmOutPolError'
  | 'XfrmOutStateExpired'
  | 'XfrmOutStateSeqError'
  | 'XfrmInNoStates'
  | 'XfrmInStateMismatch'
  | 'XfrmInStateModeError'
  | 'XfrmInStateSeqError'
  | 'XfrmInStateExpired'
  | 'XfrmInStateProtoError'
  | 'XfrmInStateDirError'
  | 'XfrmInNoPols'
  | 'XfrmInPolBlock'
  | 'XfrmInTmplMismatch'
  | 'XfrmAcquireError';

/** What became of a packet that was sent. */
export type OutboundFate =
  /** It leaves as it is. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'esp'; readonly packet: EspPacket; readonly sa: SaId }
  /** Dropped. `acquire` says that this packet raised an ACQUIRE. */
  | { readonly kind: 'dropped'; readonly statistic: XfrmStatistic; readonly acquire: boolean };

/** What became of a packet that was received. */
export type InboundFate =
  | { readonly kind: 'accepted'; readonly packet: PlainPacket; readonly sa: SaId | undefined }
  /** Not for this host; `onward` is what became of it at the way out. */
  | { readonly kind: 'forwarded'; readonly packet: PlainPacket; readonly onward: OutboundFate }
  /** Not for this host, which forwards nothing: dropped by routing, before any policy. */
  | { readonly kind: 'notForwarded'; readonly packet: PlainPacket }
  | { readonly kind: 'dropped'; readonly statistic: XfrmStatistic };

/** Addresses as 32-bit words, one for IPv4 and four for IPv6. */
export type AddressWords = Uint32Array;

/** A selector made ready for many matches. */
export interface CompiledSelector {
  readonly source: { readonly words: AddressWords; readonly length: number };
  readonly destination: { readonly words: AddressWords; readonly length: number };
  readonly protocol: number;
  readonly sourcePort: PortMatch;
  readonly destinationPort: PortMatch;
  readonly interface: string | undefined;
}

/** A packet made ready for many matches. */
export interface Flow {
  readonly source: AddressWords;
  readonly destination: AddressWords;
  readonly packet: PlainPacket;
}

/** Most selectors of SAs are never asked for, and those of policies again and again. */
export function compileSelector(selector: Selector): CompiledSelector {
  const known = compiled.get(selector);
  if (known !== undefined) return known;
  const prefix = ({ address, length }: Prefix) => ({ words: addressWords(address), length });
  const made = {
    source: prefix(selector.source),
    destination: prefix(selector.destination),
    protocol: selector.protocol,
    sourcePort: selector.sourcePort,
    destinationPort: selector.destinationPort,
    interface: selector.interface,
  };
  compiled.set(selector, made);
  return made;
}

export function flowOf(packet: PlainPacket): Flow {
  return { source: addressWords(packet.source), destination: addressWords(packet.destination), packet };
}

/** xfrm_selector_match of include/net/xfrm.h. */
export function selectorMatches(selector: CompiledSelector, flow: Flow): boolean {
  const { packet } = flow;
  return (
    (selector.protocol === 0 || selector.protocol === packet.protocol) &&
    (selector.interface === undefined || selector.interface === packet.interface) &&
    portMatches(selector.sourcePort, packet.sourcePort) &&
    portMatches(selector.destinationPort, packet.destinationPort) &&
    prefixMatches(selector.destination.words, selector.destination.length, flow.destination) &&
    prefixMatches(selector.source.words, selector.source.length, flow.source)
  );
}

/** Bytes of a packet with its IP header (no options, no extension headers). */
export function fragmentBytes(packet: PlainPacket): number {
  return packet.payloadBytes + (packet.source.includes(':') ? 40 : 20);
}

function portMatches(match: PortMatch, port: number): boolean {
  return ((port ^ match.value) & match.mask) === 0;
}

function prefixMatches(prefix: AddressWords, length: number, address: AddressWords): boolean {
  if (prefix.length !== address.length) return false;
  let rest = length;
  for (let i = 0; rest > 0; i++, rest -= 32) {
    const mask = rest >= 32 ? 0xffffffff : ~(0xffffffff >>> rest);
    if ((((prefix[i] as number) ^ (address[i] as number)) & mask) !== 0) return false;
  }
  return true;
}

/** Packets are many, their addresses few, and reading those of IPv6 takes longer than all the rest. */
function addressWords(address: IpAddress): AddressWords {
  const known = knownWords.get(address);
  if (known !== undefined) return known;
  const bytes = ipAddressBytes(address);
  const words = new Uint32Array(bytes.length / 4);
  for (let i = 0; i < words.length; i++) words[i] = uint32At(bytes, 4 * i);
  if (knownWords.size >= MAX_KNOWN_ADDRESSES) knownWords.clear();
  knownWords.set(address, words);
  return words;
}

const compiled = new WeakMap<Selector, CompiledSelector>();
const knownWords = new Map<IpAddress, AddressWords>();
/** More than a mesh has; a flood from made-up addresses does not fill the memory. */
const MAX_KNOWN_ADDRESSES = 10_000;
