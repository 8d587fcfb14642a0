/** Whether two values of JSON are the same, whatever the order of their fields; a missing field equals undefined. */
export function sameContent(one: unknown, other: unknown): boolean {
  return contains(one, other) && contains(other, one);
}

/** Whether `whole` has everything that `part` has, lists of the same length. */
export function contains(whole: unknown, part: unknown): boolean {
  if (part === undefined || Object.is(whole, part)) return true;
  if (part === null || typeof part !== 'object' || whole === null || typeof whole !== 'object') return false;
  if (Array.isArray(part) || Array.isArray(whole)) {
    if (!Array.isArray(part) || !Array.isArray(whole) || part.length !== whole.length) return false;
    return part.every((item, index) => contains(whole[index], item));
  }
  const fields = whole as Readonly<Record<string, unknown>>;
  return Object.entries(part).every(([name, value]) => contains(fields[name], value));
}
