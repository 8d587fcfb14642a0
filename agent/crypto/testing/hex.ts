/** Lower-case hexadecimal digits, to compare byte strings with published ones. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
