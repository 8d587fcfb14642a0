/** What came of an attempt to carry out a configuration. */
export interface Attempt {
  readonly outcome: 'done' | 'failed';
  /** Whether a name was not resolved, of which nobody says when it can be. */
  readonly isUnresolved: boolean;
}

/** When the configuration is carried out again although nothing has changed: what failed once may not fail for ever. */
export class Retry {
  #failures = 0;
  #atMs = Number.POSITIVE_INFINITY;

  /** Takes in what came of an attempt. */
  note({ outcome, isUnresolved }: Attempt, nowMs: number): void {
    this.#failures = outcome === 'done' ? 0 : this.#failures + 1;
    if (outcome === 'failed')
      this.#atMs = nowMs + Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    else this.#atMs = isUnresolved ? nowMs + RESOLVE_AGAIN_MS : Number.POSITIVE_INFINITY;
  }

  /** An attempt is made. */
  clear(): void {
    this.#atMs = Number.POSITIVE_INFINITY;
  }

  /** How long to wait for the next attempt, in milliseconds; not positive where it is due. */
  leftMs(nowMs: number): number {
    return this.#atMs - nowMs;
  }
}

/** An address that is about to come is there a second later; what takes longer is not to fill the log. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Whoever mends DNS waits no longer than for a cache. */
const RESOLVE_AGAIN_MS = 60_000;
