import ipaddr from 'ipaddr.js';

import { err, ok, type Result } from '../result.ts';

declare const ipAddressBrand: unique symbol;

/**
 * An IPv4 or IPv6 address in its one canonical text form: dotted decimal, or RFC 5952. A link-local one of IPv6 may
 * have a zone behind it, the name of the interface whose link it is an address of (`fe80::1%eth0`, RFC 4007 §11), and
 * then is a different address on each link. Equal addresses are equal strings. Made only here.
 */
export type IpAddress = string & { readonly [ipAddressBrand]: true };

/** A network: an address whose bits behind the prefix are all zero. */
export interface Cidr {
  readonly address: IpAddress;
  /** 0 to 32, or 0 to 128. */
  readonly prefixLength: number;
}

/** The address that `text` writes; undefined for anything else, among it zones, ports and octal or shortened IPv4. */
export function parseIpAddress(text: string): IpAddress | undefined {
  // What is asked of a text of the other family throws within, which costs more than all the rest.
  if (!text.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(text) ? (text as IpAddress) : undefined;
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text).toRFC5952String() as IpAddress;
}

/** The address that `text` writes, a link-local one with or without its zone; undefined for anything else. */
export function parseZonedAddress(text: string): IpAddress | undefined {
  const percent = text.indexOf('%');
  const address = parseIpAddress(percent === -1 ? text : text.slice(0, percent));
  if (address === undefined || percent === -1) return address;
  const zone = text.slice(percent + 1);
  return isLinkLocal(address) && INTERFACE_NAME.test(zone) ? inZone(address, zone) : undefined;
}

/** Whether an address means another host on every link (fe80::/10). */
export function isLinkLocal(address: IpAddress): boolean {
  return LINK_LOCAL.test(address);
}

/** The name of the interface behind a link-local address; undefined where there is none. */
export function zoneOf(address: IpAddress): string | undefined {
  const percent = address.indexOf('%');
  return percent === -1 ? undefined : address.slice(percent + 1);
}

/** The address as packets and the kernel's SAs have it. */
export function withoutZone(address: IpAddress): IpAddress {
  const percent = address.indexOf('%');
  return percent === -1 ? address : (address.slice(0, percent) as IpAddress);
}

/** The address as one of the link `zone`, if it is of any link; an address without a zone is returned as it is. */
export function inZone(address: IpAddress, zone: string | undefined): IpAddress {
  return zone !== undefined && isLinkLocal(address) ? (`${withoutZone(address)}%${zone}` as IpAddress) : address;
}

/** The address in network byte order; a length other than 4 or 16 is the caller's bug. */
export function ipAddressFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as IpAddress;
  return new ipaddr.IPv6(Array.from(bytes)).toRFC5952String() as IpAddress;
}

/** The 4 or 16 bytes of an address in network byte order, which know no zone. */
export function ipAddressBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(ipFamily(address) === 4 ? 4 : 16);
  setIpAddress(bytes, 0, address);
  return bytes;
}

/** Writes the bytes of an address to where they belong; gives the offset behind them. */
export function setIpAddress(target: Uint8Array, offset: number, address: IpAddress): number {
  if (ipFamily(address) === 6) {
    target.set(ipaddr.IPv6.parse(withoutZone(address)).toByteArray(), offset);
    return offset + 16;
  }
  let at = offset;
  let number = 0;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === DOT) {
      target[at++] = number;
      number = 0;
    } else number = number * 10 + code - ZERO;
  }
  target[at++] = number;
  return at;
}

/** The IP version of an address. */
export function ipFamily(address: IpAddress): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** The network that `text` writes as address/length, or in one sentence why it is none. */
export function parseCidr(text: string): Result<Cidr, string> {
  const slash = text.indexOf('/');
  if (slash === -1) return err(`"${text}" has no prefix length; write it as 192.0.2.0/24 or 2001:db8::/64`);
  const address = parseIpAddress(text.slice(0, slash));
  if (address === undefined) return err(`"${text.slice(0, slash)}" is not an IP address`);
  const lengthText = text.slice(slash + 1);
  const bits = ipFamily(address) === 4 ? 32 : 128;
  const prefixLength = DECIMAL.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (!(prefixLength <= bits)) return err(`the prefix length "${lengthText}" is not a number from 0 to ${bits}`);
  const network = maskedAddress(address, prefixLength);
  if (network !== address) {
    return err(`"${text}" has bits set behind its prefix; the network is ${network}/${prefixLength}`);
  }
  return ok({ address, prefixLength });
}

/** The text form of a network, such as 192.0.2.0/24. */
export function formatCidr(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefixLength}`;
}

function maskedAddress(address: IpAddress, prefixLength: number): IpAddress {
  const bytes = ipAddressBytes(address);
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, prefixLength - 8 * i));
    bytes[i] = (bytes[i] as number) & (0xff00 >> kept);
  }
  return ipAddressFromBytes(bytes);
}

const LINK_LOCAL = /^fe[89ab][0-9a-f]:/;
/** What Linux takes for the name of an interface: IFNAMSIZ less the final zero, no slash, no white space. */
const INTERFACE_NAME = /^[^\s/%:]{1,15}$/;
const DOT = 0x2e;
const ZERO = 0x30;
const DECIMAL = /^(0|[1-9]\d{0,2})$/;
