import { type IpAddress, ipAddressBytes, ipAddressFromBytes, ipFamily } from '../../wire/ip-address.ts';
import { AddressFamily } from './registry.ts';

/** Bytes of xfrm_address_t; an IPv4 address takes the first four. */
const ADDRESS_BYTES = 16;

/** AF_INET or AF_INET6. */
export function familyOf(address: IpAddress): number {
  return ipFamily(address) === 4 ? AddressFamily.inet : AddressFamily.inet6;
}

/** Writes an xfrm_address_t; what lies behind an IPv4 address is left zero. */
export function putAddress(target: Uint8Array, offset: number, address: IpAddress): void {
  target.set(ipAddressBytes(address), offset);
}

/** Reads an xfrm_address_t; undefined for other families. */
export function addressAt(bytes: Uint8Array, offset: number, family: number): IpAddress | undefined {
  if (family === AddressFamily.inet) return ipAddressFromBytes(bytes.subarray(offset, offset + 4));
  if (family === AddressFamily.inet6) return ipAddressFromBytes(bytes.subarray(offset, offset + ADDRESS_BYTES));
  return undefined;
}

/** Reads a big-endian u32: SPIs stand in network order. */
export function spiAt(bytes: Uint8Array, offset: number): number {
  return networkView(bytes).getUint32(offset);
}

/** A view for the fields in network order. */
export function networkView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
