/*
 * Numbers of 32 bits in short arrays, big-endian. A DataView would do as well, but V8 keeps arrays of up to 64 bytes
 * among its objects and moves each to a memory block of its own when a view of it is made, which takes ten times as long.
 */

/** The number in the four bytes from `offset` on. */
export function uint32At(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
  const low = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  return ((high << 16) | low) >>> 0;
}

/** Writes a number from 0 to 2^32 - 1 into the four bytes from `offset` on. */
export function setUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
