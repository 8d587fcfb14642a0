/** A Buffer as the plain array that it is in all but `slice`, which would share memory where ours copies. */
export function plainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
