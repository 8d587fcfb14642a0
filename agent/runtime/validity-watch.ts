import type { Clock, Timers } from '../ports.ts';

/** What a watch of validity depends on. */
export interface ValidityWatchParts {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  /** Told when a certificate that was waited for is valid. */
  readonly onValid: () => void;
}

/**
 * Waits for the time from which a certificate is valid. Its file does not change then, so nothing else would have it
 * read again: one from an authority whose clock is ahead of ours would be held back until the next renewal.
 */
export class ValidityWatch {
  readonly #parts: ValidityWatchParts;
  #callOff: (() => void) | undefined;

  constructor(parts: ValidityWatchParts) {
    this.#parts = parts;
  }

  /** Waits for this time, in milliseconds since the epoch, in place of the one before; undefined: for none. */
  await(validFromMs: number | undefined): void {
    this.#callOff?.();
    this.#callOff = undefined;
    if (validFromMs === undefined) return;
    const leftMs = validFromMs - this.#parts.clock.wallMs();
    // A clock that is behind is set right at any moment.
    this.#callOff = this.#parts.timers.after(Math.min(Math.max(leftMs, LEAST_WAIT_MS), LOOK_AGAIN_MS), () => {
      if (this.#parts.clock.wallMs() < validFromMs) this.await(validFromMs);
      else this.#parts.onValid();
    });
  }
}

const LEAST_WAIT_MS = 1_000;
const LOOK_AGAIN_MS = 10_000;
