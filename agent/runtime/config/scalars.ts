import { bytesOf } from '../../../operator/api/quantity.ts';
import { err, ok, type Result } from '../../result.ts';
import {
  type Cidr,
  formatCidr,
  type IpAddress,
  ipAddressBytes,
  ipFamily,
  isLinkLocal,
  parseCidr,
  parseIpAddress,
  parseZonedAddress,
  withoutZone,
  zoneOf,
} from '../../wire/ip-address.ts';
import { MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES } from './limits.ts';
import { nearest } from './nearest.ts';

/** An address that a socket can be bound to and that packets to another host can come from; link-local ones have a zone. */
export function parseHostAddress(text: string): Result<IpAddress, string> {
  const address = parseZonedAddress(text);
  if (address === undefined) return err(`${quoted(text)} is not an IP address`);
  const [first = 0] = ipAddressBytes(address);
  if (ipFamily(address) === 4) {
    if (first === 127) return err(`${address} is a loopback address, whose packets never pass through IPsec`);
    if (first === 0 || first >= 224) return err(`${address} is not the address of one host`);
    return ok(address);
  }
  if (address === '::1') return err(`${address} is a loopback address, whose packets never pass through IPsec`);
  if (isLinkLocal(address) && zoneOf(address) === undefined) {
    const text = 'is a link-local address, which means another host on every link: write the interface behind it';
    return err(`${address} ${text}, such as ${address}%eth0, or use a global one`);
  }
  if (address === '::' || first === 0xff) return err(`${address} is not the address of one host`);
  if (address.startsWith('::ffff:')) return err(`${address} is an IPv4 address in disguise: write it in dotted form`);
  return ok(address);
}

/** A network such as `10.1.0.0/24`, or one address. */
export function parseNetwork(text: string): Result<Cidr, string> {
  const address = parseIpAddress(text);
  return address === undefined ? parseCidr(text) : ok(hostNetwork(address));
}

/** The network that holds one address. */
export function hostNetwork(address: IpAddress): Cidr {
  return { address: withoutZone(address), prefixLength: ipFamily(address) === 4 ? 32 : 128 };
}

/** `10.1.0.0/24`, or the address alone where the network is one address. */
export function networkText(network: Cidr): string {
  const { prefixLength } = hostNetwork(network.address);
  return network.prefixLength === prefixLength ? network.address : formatCidr(network);
}

/** A duration such as `30s`, `4h` or `1h30m`, in milliseconds. */
export function parseDuration(text: string): Result<number, string> {
  if (!DURATION.test(text)) {
    return err(`${quoted(text)} is not a duration: write hours, minutes and seconds, such as 4h, 1h30m or 30s`);
  }
  let milliseconds = 0;
  for (const [, digits = '0', unit = 's'] of text.matchAll(DURATION_PART)) {
    milliseconds += Number(digits) * (MILLISECONDS[unit] ?? 0);
  }
  return ok(milliseconds);
}

/** A duration as `parseDuration` reads it. */
export function durationText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 3_600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const text = parts.map(([count, unit]) => (count === 0 ? '' : `${count}${unit}`)).join('');
  return text === '' ? '0s' : text;
}

/** A byte count as a Kubernetes quantity: `64Gi`, `500M`, or plain bytes. */
export function parseByteCount(value: string | number): Result<number, string> {
  const bytes = bytesOf(value);
  if (!Number.isSafeInteger(bytes)) {
    return err(`${quoted(String(value))} is not a number of bytes: write it as 64Gi, 500M or 1048576`);
  }
  return ok(bytes);
}

/** An IP protocol by its name or number. */
export function parseProtocol(value: string | number): Result<number, string> {
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= 1 && value <= 255) return ok(value);
    return err(`${value} is not an IP protocol number: leave the field out for any protocol, or use 1 to 255`);
  }
  const number = PROTOCOLS[value];
  if (number !== undefined) return ok(number);
  const near = nearest(value, Object.keys(PROTOCOLS));
  const hint = near === undefined ? ':' : `; did you mean ${near}? It knows`;
  return err(`${quoted(value)} is no protocol known here${hint} ${Object.keys(PROTOCOLS).join(', ')}, or a number`);
}

/** `Disabled`, `Auto` or a number of bytes; null for `Disabled`, which a peer may say where `defaults` say otherwise. */
export function parseMssClamp(value: string | number): Result<number | 'auto' | null, string> {
  if (value === 'Disabled') return ok(null);
  if (value === 'Auto') return ok('auto');
  const bytes = typeof value === 'number' || /^[0-9]{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isInteger(bytes) && bytes >= MIN_SEGMENT_BYTES && bytes <= MAX_SEGMENT_BYTES) return ok(bytes);
  const written = typeof value === 'number' ? `${value}` : quoted(value);
  return err(`${written} is no MSS: write Disabled, Auto or ${MIN_SEGMENT_BYTES} to ${MAX_SEGMENT_BYTES}`);
}

/** Whether a protocol has ports that a selector can name. */
export function hasPorts(protocol: number): boolean {
  return PORT_PROTOCOLS.has(protocol);
}

/** The protocol's name where it has one. */
export function protocolText(protocol: number): string {
  return Object.entries(PROTOCOLS).find(([, number]) => number === protocol)?.[0] ?? String(protocol);
}

/** A DNS name of letters, digits and hyphens; one without any letter is a mistyped address. */
export function isHostName(text: string): boolean {
  return text.length <= MAX_NAME && LETTER.test(text) && text.split('.').every((label) => LABEL.test(label));
}

/** What the file says, in quotes and shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

const DURATION = /^(\d{1,9}[hms])+$/;
const DURATION_PART = /(\d+)([hms])/g;
const MILLISECONDS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000 };
const PROTOCOLS: Readonly<Record<string, number>> = {
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  GRE: 47,
  ICMPv6: 58,
  SCTP: 132,
};
const PORT_PROTOCOLS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;
const LETTER = /[a-z]/i;
const MAX_NAME = 253;
const MAX_QUOTED = 80;
