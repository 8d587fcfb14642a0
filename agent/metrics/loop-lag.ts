import type { Clock, Timers } from '../ports.ts';
import { LAG_BUCKETS } from './definitions.ts';
import { Distribution } from './distribution.ts';

/** Measures how late timers come, which is how long everything else has to wait. */
export class LoopLag {
  readonly distribution = new Distribution(LAG_BUCKETS);
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #timers: Timers;
  #callOff: () => void = () => {};

  constructor(clock: Pick<Clock, 'monotonicMs'>, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
    this.#wait();
  }

  stop(): void {
    this.#callOff();
  }

  #wait(): void {
    const due = this.#clock.monotonicMs() + INTERVAL_MS;
    this.#callOff = this.#timers.after(INTERVAL_MS, () => {
      this.distribution.observe(Math.max(0, this.#clock.monotonicMs() - due) / 1_000);
      this.#wait();
    });
  }
}

/** Four wake-ups a second cost nothing that could be measured. */
const INTERVAL_MS = 250;
