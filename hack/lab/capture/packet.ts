/** What a packet on a wire is, as far as leaking is concerned. Whatever is not proven to be something else is plaintext. */
export type PacketKind =
  /** IP protocol 50. */
  | 'esp'
  /** ESP in UDP (RFC 3948 §2.1). */
  | 'espInUdp'
  /** UDP 500 with an IKE header, or UDP 4500 behind the non-ESP marker. */
  | 'ike'
  /** NAT keepalive (RFC 3948 §2.3). */
  | 'keepalive'
  | 'arp'
  /** ICMPv6 133-137 (RFC 4861) and multicast listener messages (RFC 2710, RFC 3810). */
  | 'neighbourDiscovery'
  /** An ICMP error that quotes ESP or IKE, such as that nobody listens there: it tells nothing of what is protected. */
  | 'icmpError'
  | 'plaintext';

/** A frame, understood as far as `kind` needs it. */
export interface Packet {
  readonly kind: PacketKind;
  /** Seconds since 1970, where it comes from a file. */
  readonly at?: number;
  readonly family: 4 | 6 | undefined;
  /** MAC address of the sender; empty where the link type has none. */
  readonly sender: string;
  readonly source: string;
  readonly destination: string;
  /** SPI and sequence number of ESP, as far as the frame holds them. */
  readonly esp?: { readonly spi: number; readonly sequence: number };
  /** A part of an IKE message that its sender has cut (RFC 7383). */
  readonly ikeFragment?: boolean;
  /** A fragment behind the first one; counted apart, since it is no packet of its own. */
  readonly laterFragment: boolean;
  /** For people: addresses, protocol, ports. */
  readonly summary: string;
}

/** Ports that IKE uses in a scenario. */
export interface IkePorts {
  /** Default 500. */
  readonly ike?: number;
  /** Default 4500. */
  readonly nat?: number;
}

/** Classifies the frames of one capture in order; it keeps what first fragments said about the later ones. */
export function packetClassifier(linkType: number, ports: IkePorts = {}): (frame: Uint8Array) => Packet {
  const kindOfFragments = new Map<string, PacketKind>();
  const known = { ike: ports.ike ?? 500, nat: ports.nat ?? 4500 };
  return (frame) => {
    const link = linkLayer(linkType, frame);
    const blank = {
      family: undefined,
      sender: link.sender,
      source: '',
      destination: '',
      laterFragment: false,
    } as const;
    if (link.protocol === etherTypes.arp) return { ...blank, kind: 'arp', summary: 'ARP' };
    const ip = networkLayer(link.protocol, link.payload);
    if (ip === undefined) {
      return { ...blank, kind: 'plaintext', summary: `frame of protocol 0x${link.protocol.toString(16)}` };
    }
    const transport = transportLayer(ip, known);
    const fragmentKey = `${ip.source} ${ip.destination} ${ip.protocol} ${ip.fragment?.identification}`;
    const laterFragment = ip.fragment !== undefined && ip.fragment.offset > 0;
    if (ip.fragment?.offset === 0) remember(kindOfFragments, fragmentKey, transport.kind);
    const kind = laterFragment ? (kindOfFragments.get(fragmentKey) ?? 'plaintext') : transport.kind;
    const esp = laterFragment ? undefined : transport.esp;
    return {
      kind,
      family: ip.family,
      sender: link.sender,
      source: ip.source,
      destination: ip.destination,
      ...(esp === undefined ? {} : { esp }),
      ...(transport.ikeFragment === true && !laterFragment ? { ikeFragment: true } : {}),
      laterFragment,
      summary: `IPv${ip.family} ${ip.source} > ${ip.destination} ${laterFragment ? 'later fragment' : transport.text}`,
    };
  };
}

/** Bounded: a capture of nothing but first fragments must not grow without end. */
function remember(kinds: Map<string, PacketKind>, key: string, kind: PacketKind): void {
  kinds.set(key, kind);
  const [oldest] = kinds.keys();
  if (kinds.size > 4096 && oldest !== undefined) kinds.delete(oldest);
}

interface LinkLayer {
  readonly sender: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

function linkLayer(linkType: number, frame: Uint8Array): LinkLayer {
  const nothing = { sender: '', protocol: 0, payload: frame };
  if (linkType === linkTypes.raw) {
    const version = (frame[0] ?? 0) >> 4;
    return { ...nothing, protocol: version === 4 ? etherTypes.ipv4 : version === 6 ? etherTypes.ipv6 : 0 };
  }
  if (linkType !== linkTypes.ethernet || frame.length < 14) return nothing;
  const sender = [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  let at = 12;
  let protocol = word(frame, at);
  // At most two tags (IEEE 802.1ad).
  for (let tags = 0; tags < 2 && (protocol === 0x8100 || protocol === 0x88a8) && at + 6 <= frame.length; tags++) {
    at += 4;
    protocol = word(frame, at);
  }
  return { sender, protocol, payload: frame.subarray(at + 2) };
}

interface NetworkLayer {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly fragment?: { readonly identification: number; readonly offset: number };
}

function networkLayer(protocol: number, bytes: Uint8Array): NetworkLayer | undefined {
  if (protocol === etherTypes.ipv4) return ipv4(bytes);
  if (protocol === etherTypes.ipv6) return ipv6(bytes);
  return undefined;
}

function ipv4(bytes: Uint8Array): NetworkLayer | undefined {
  const headerLength = ((bytes[0] ?? 0) & 15) * 4;
  if (bytes.length < 20 || (bytes[0] ?? 0) >> 4 !== 4 || headerLength < 20 || headerLength > bytes.length)
    return undefined;
  const flags = word(bytes, 6);
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & 0x2000) !== 0;
  // Behind the packet may stand padding of a short Ethernet frame.
  const end = Math.max(headerLength, Math.min(bytes.length, word(bytes, 2) || bytes.length));
  return {
    family: 4,
    source: bytes.subarray(12, 16).join('.'),
    destination: bytes.subarray(16, 20).join('.'),
    protocol: bytes[9] ?? 0,
    payload: bytes.subarray(headerLength, end),
    ...(offset > 0 || more ? { fragment: { identification: word(bytes, 4), offset } } : {}),
  };
}

function ipv6(bytes: Uint8Array): NetworkLayer | undefined {
  if (bytes.length < 40 || (bytes[0] ?? 0) >> 4 !== 6) return undefined;
  const end = Math.min(bytes.length, 40 + word(bytes, 4));
  let next = bytes[6] ?? 0;
  let at = 40;
  let fragment: NetworkLayer['fragment'];
  for (let headers = 0; headers < 8 && at + 8 <= end; headers++) {
    if (next === 44) {
      const identification = word(bytes, at + 4) * 0x10000 + word(bytes, at + 6);
      fragment = { identification, offset: word(bytes, at + 2) & 0xfff8 };
      next = bytes[at] ?? 0;
      at += 8;
      // Only the first fragment holds what follows.
      if (fragment.offset > 0) break;
    } else if (next === 0 || next === 43 || next === 60) {
      next = bytes[at] ?? 0;
      at += 8 * ((bytes[at + 1] ?? 0) + 1);
    } else break;
  }
  return {
    family: 6,
    source: ipv6Text(bytes.subarray(8, 24)),
    destination: ipv6Text(bytes.subarray(24, 40)),
    protocol: next,
    payload: bytes.subarray(Math.min(at, end), end),
    ...(fragment === undefined ? {} : { fragment }),
  };
}

interface TransportLayer {
  readonly kind: PacketKind;
  readonly text: string;
  readonly esp?: { readonly spi: number; readonly sequence: number };
  readonly ikeFragment?: boolean;
}

function transportLayer(ip: NetworkLayer, ports: Required<IkePorts>): TransportLayer {
  const { payload, protocol, family } = ip;
  if (protocol === 50) {
    if (payload.length < 8) return { kind: 'plaintext', text: 'ESP without a header' };
    return { kind: 'esp', ...espHeader(payload) };
  }
  if (protocol === 17 && payload.length >= 8) return udp(payload, ports);
  const [type = 0] = payload;
  if (isIcmp(ip) && quotesProtected(ip, ports)) return { kind: 'icmpError', text: `ICMP error of type ${type}` };
  if (family === 6 && protocol === 58 && payload.length > 0) {
    const discovery = (type >= 130 && type <= 137) || type === 143;
    return { kind: discovery ? 'neighbourDiscovery' : 'plaintext', text: `ICMPv6 type ${type}` };
  }
  const name = protocolNames.get(protocol) ?? `protocol ${protocol}`;
  const isTcp = protocol === 6 && payload.length >= 4;
  const detail = isTcp ? ` ${word(payload, 0)} > ${word(payload, 2)}` : protocol === 1 ? ` type ${type}` : '';
  return { kind: 'plaintext', text: `${name}${detail}` };
}

function isIcmp({ family, protocol }: NetworkLayer): boolean {
  return family === 4 ? protocol === 1 : protocol === 58;
}

/** Whether a message is an ICMP error (RFC 792, RFC 4443 §3), which quotes a packet behind 8 bytes, and one of ESP or IKE. */
function quotesProtected({ family, payload }: NetworkLayer, ports: Required<IkePorts>): boolean {
  const [type = 0] = payload;
  const isError = family === 4 ? [3, 11, 12].includes(type) : type >= 1 && type <= 4;
  const quoted = isError
    ? networkLayer(family === 4 ? etherTypes.ipv4 : etherTypes.ipv6, payload.subarray(8))
    : undefined;
  if (quoted === undefined || isIcmp(quoted)) return false;
  return protectedKinds.includes(transportLayer(quoted, ports).kind);
}

function udp(bytes: Uint8Array, ports: Required<IkePorts>): TransportLayer {
  const source = word(bytes, 0);
  const destination = word(bytes, 2);
  const data = bytes.subarray(8);
  const text = `UDP ${source} > ${destination}, ${data.length} bytes`;
  const uses = (port: number) => source === port || destination === port;
  if (uses(ports.nat)) {
    if (data.length === 1 && data[0] === 0xff) return { kind: 'keepalive', text };
    const marked = data.length >= 4 && doubleWord(data, 0) === 0;
    if (marked && isIke(data.subarray(4))) return ikeMessage(data.subarray(4), text);
    if (!marked && data.length >= 8) return { kind: 'espInUdp', ...espHeader(data) };
  }
  if (uses(ports.ike) && isIke(data)) return ikeMessage(data, text);
  return { kind: 'plaintext', text };
}

/** Whether the bytes begin with an IKE header (RFC 7296 §3.1): a port alone proves nothing. */
function isIke(data: Uint8Array): boolean {
  const major = (data[17] ?? 0) >> 4;
  return data.length >= 28 && (major === 1 || major === 2) && doubleWord(data, 24) >= 28;
}

/** A fragment has one payload, the Encrypted Fragment payload (RFC 7383 §2.5), which the header names. */
function ikeMessage(data: Uint8Array, text: string): TransportLayer {
  return { kind: 'ike', text, ...(data[16] === 53 ? { ikeFragment: true } : {}) };
}

function espHeader(bytes: Uint8Array): Omit<TransportLayer, 'kind'> {
  const esp = { spi: doubleWord(bytes, 0), sequence: doubleWord(bytes, 4) };
  return { esp, text: `ESP spi 0x${esp.spi.toString(16)} sequence ${esp.sequence}` };
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => word(bytes, index * 2).toString(16)).join(':');
  const longest = [...groups.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (longest === undefined) return groups;
  const head = groups.slice(0, longest.index);
  const rest = groups.slice(longest.index + longest[0].length);
  return `${head}::${rest.replace(/^:/, '')}`;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}

function doubleWord(bytes: Uint8Array, at: number): number {
  return word(bytes, at) * 0x10000 + word(bytes, at + 2);
}

const protectedKinds: readonly PacketKind[] = ['esp', 'espInUdp', 'ike', 'keepalive'];
const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
const linkTypes = { ethernet: 1, raw: 101 } as const;
const protocolNames: ReadonlyMap<number, string> = new Map([
  [1, 'ICMP'],
  [4, 'IP in IP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [41, 'IPv6 in IP'],
  [51, 'AH'],
]);
