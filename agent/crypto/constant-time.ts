/**
 * Whether two byte strings are equal, in a time that depends on their lengths only. Lengths are public in IKE; MACs,
 * AUTH data and cookies are not to be compared any other way.
 */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
