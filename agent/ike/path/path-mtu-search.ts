/**
 * The search for the longest packet that arrives (RFC 8899 §5.3): what the interface sends is tried first, which most paths
 * let pass, then the middle of what is left, until it is known closely enough.
 */
export interface PathMtuSearch {
  /** Arrives; at the beginning what every path lets pass. */
  readonly arrives: number;
  /** The length of the longest packet that has arrived: block ciphers do not fill every size. */
  readonly shown: number;
  /** Does not; at the beginning one more than the interface sends. */
  readonly tooLong: number;
  /** What the interface sends. */
  readonly most: number;
  /** Tries of the size at hand that were not answered. */
  readonly unanswered: number;
}

/** What is known before anything was tried. */
export function beginSearch(least: number, most: number): PathMtuSearch {
  const arrives = Math.min(least, most);
  return { arrives, shown: arrives, tooLong: most + 1, most, unanswered: 0 };
}

/** What to try next; undefined once it is known. */
export function nextSize({ arrives, tooLong, most }: PathMtuSearch): number | undefined {
  if (tooLong - arrives <= CLOSE_BYTES) return undefined;
  return tooLong > most ? most : Math.floor((arrives + tooLong) / 2);
}

/**
 * Takes in that a packet for this size has arrived, and how long it was, or that it has not (undefined). One loss may be
 * chance, so many are not.
 */
export function afterTry(
  search: PathMtuSearch,
  size: number,
  shown: number | undefined,
  mostTries: number,
): PathMtuSearch {
  if (shown !== undefined) return { ...search, arrives: size, shown: Math.max(search.shown, shown), unanswered: 0 };
  const unanswered = search.unanswered + 1;
  return unanswered < mostTries ? { ...search, unanswered } : { ...search, tooLong: size, unanswered: 0 };
}

/** Padding of ESP takes four bytes; less is not worth another second. */
const CLOSE_BYTES = 4;
