/**
 * Whether one resourceVersion came before another, of one kind: they are whole numbers that grow (KEP-5504, Kubernetes
 * 1.35). False where one of them is none.
 */
export function isBefore(one: string, other: string): boolean {
  if (!DIGITS.test(one) || !DIGITS.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}

const DIGITS = /^(0|[1-9][0-9]*)$/;
