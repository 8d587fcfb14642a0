/** Waiting times that double from `leastMs` to `mostMs`. */
export interface Backoff {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** How long to wait after so many failures in a row (from 1), spread so that many do not come back together. */
export function waitAfter(failures: number, { leastMs, mostMs }: Backoff): number {
  const full = Math.min(mostMs, leastMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS));
  return full * (1 - SPREAD * Math.random());
}

/** Beyond this every number is too large anyway. */
const MAX_DOUBLINGS = 30;
const SPREAD = 0.3;
