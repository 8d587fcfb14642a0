/** The parts joined in a new array, which may hold secrets: whoever asked for it wipes it. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether big-endian number `a` is less than `b` of the same length. Takes a time that depends on the values. */
export function isLessThan(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** The bytes that an even number of hexadecimal digits stand for. */
export function bytesFromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (hexValue(hex.charCodeAt(2 * i)) << 4) | hexValue(hex.charCodeAt(2 * i + 1));
  }
  return bytes;
}

/** Of the code of a hexadecimal digit: those of letters have bit 6 set, and end in 1 to 6. */
export function hexValue(code: number): number {
  return (code & 15) + (code >>> 6) * 9;
}

/** Bytes as an even number of lower-case hexadecimal digits. */
export function hexFromBytes(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX_DIGITS[byte];
  return hex;
}

/** Whether both are the same; in a time that tells where they differ, so not for secrets. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && endsWith(left, right);
}

/** Whether the last of `bytes` are those of `end`; as little for secrets. */
export function endsWith(bytes: Uint8Array, end: Uint8Array): boolean {
  const offset = bytes.length - end.length;
  if (offset < 0) return false;
  for (let i = 0; i < end.length; i++) if (bytes[offset + i] !== end[i]) return false;
  return true;
}

const HEX_DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
