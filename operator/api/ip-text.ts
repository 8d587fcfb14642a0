import ipaddr from 'ipaddr.js';

/** A network whose address has no bits behind the prefix. */
interface Network {
  readonly address: string;
  readonly prefixLength: number;
}

/**
 * The canonical text of an IP address, or undefined for what the API server's `isIP` refuses as well: leading zeros,
 * zones, IPv4 in IPv6's clothes.
 */
export function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text;
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : address.toRFC5952String();
}

/** The IP family of an address or network. */
export function familyOf(text: string): 4 | 6 {
  return text.includes(':') ? 6 : 4;
}

/** An address that packets of one host can come from: no loopback, link-local, multicast or unspecified one. */
export function isHostAddress(text: string): boolean {
  const address = canonicalAddress(text);
  return address !== undefined && !NOT_A_HOST.has(ipaddr.parse(address).range());
}

/** The network that `address/length` lies in, host bits cleared; undefined for what is no CIDR. */
export function networkOf(text: string): Network | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const { bytes, prefixLength } = parts;
  const network = ipaddr.fromByteArray(bytes.map((byte, index) => byte & maskByte(prefixLength, index)));
  return {
    address: network.kind() === 'ipv6' ? (network as ipaddr.IPv6).toRFC5952String() : `${network}`,
    prefixLength,
  };
}

/** The canonical text of the network in which a CIDR lies. */
export function canonicalNetwork(text: string): string | undefined {
  const network = networkOf(text);
  return network === undefined ? undefined : `${network.address}/${network.prefixLength}`;
}

/** Whether a text is a CIDR without bits behind its prefix. */
export function isNetwork(text: string): boolean {
  const network = networkOf(text);
  return network !== undefined && network.address === canonicalAddress(text.slice(0, text.indexOf('/')));
}

/** The first and the last address of a network, as text that sorts like the numbers; undefined for what is no CIDR. */
export function rangeOf(text: string): { readonly first: string; readonly last: string } | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const { bytes, prefixLength } = parts;
  const hex = (each: readonly number[]): string => each.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const family = `${bytes.length}`.padStart(2, '0');
  return {
    first: family + hex(bytes.map((byte, index) => byte & maskByte(prefixLength, index))),
    last: family + hex(bytes.map((byte, index) => byte | (maskByte(prefixLength, index) ^ 0xff))),
  };
}

/** Whether two CIDRs have an address in common: then one lies in the other. */
export function overlap(left: string, right: string): boolean {
  const [one, other] = [rangeOf(left), rangeOf(right)];
  return one !== undefined && other !== undefined && one.first <= other.last && other.first <= one.last;
}

/** The bytes of the address of a CIDR, host bits and all, and its prefix length. */
function partsOf(text: string): { readonly bytes: readonly number[]; readonly prefixLength: number } | undefined {
  const [addressText = '', lengthText = '', rest] = text.split('/');
  const address = canonicalAddress(addressText);
  if (address === undefined || rest !== undefined || !LENGTH.test(lengthText)) return undefined;
  const bytes = ipaddr.parse(address).toByteArray();
  const prefixLength = Number(lengthText);
  return prefixLength <= 8 * bytes.length ? { bytes, prefixLength } : undefined;
}

function maskByte(prefixLength: number, index: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * index))) & 0xff;
}

const LENGTH = /^(0|[1-9][0-9]{0,2})$/;
const NOT_A_HOST: ReadonlySet<string> = new Set(['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback']);
