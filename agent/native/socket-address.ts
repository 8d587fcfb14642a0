/** An address and a port as the socket calls take them. */
export interface SocketAddress {
  /** 4 or 16 bytes in network order. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Index of the interface whose link an IPv6 address is one of; absent or 0: none. */
  readonly scopeId?: number;
}

/** AF_INET and AF_INET6. */
export const addressFamilies = { inet: 2, inet6: 10 } as const;

/** struct sockaddr_in or sockaddr_in6, by the length of the address. */
export function encodeSocketAddress({ address, port, scopeId = 0 }: SocketAddress): Uint8Array {
  const inet6 = address.length === 16;
  const bytes = new Uint8Array(inet6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, inet6 ? addressFamilies.inet6 : addressFamilies.inet, true);
  view.setUint16(2, port);
  bytes.set(address, inet6 ? IN6_ADDRESS_OFFSET : IN_ADDRESS_OFFSET);
  if (inet6) view.setUint32(IN6_SCOPE_OFFSET, scopeId, true);
  return bytes;
}

/** The address in a struct sockaddr_in or sockaddr_in6; undefined for other families and for one that is cut off. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  if (bytes.length < SOCKADDR_IN_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === addressFamilies.inet) {
    return { address: bytes.slice(IN_ADDRESS_OFFSET, IN_ADDRESS_OFFSET + 4), port };
  }
  if (family !== addressFamilies.inet6 || bytes.length < SOCKADDR_IN6_BYTES) return undefined;
  const scopeId = view.getUint32(IN6_SCOPE_OFFSET, true);
  const address = bytes.slice(IN6_ADDRESS_OFFSET, IN6_ADDRESS_OFFSET + 16);
  return { address, port, ...(scopeId === 0 ? {} : { scopeId }) };
}

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const IN_ADDRESS_OFFSET = 4;
const IN6_ADDRESS_OFFSET = 8;
const IN6_SCOPE_OFFSET = 24;
