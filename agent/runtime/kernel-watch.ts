import type { KernelSnapshot } from '../dataplane/types.ts';
import type { Dataplane, Timers } from '../ports.ts';

/** What a watch of the kernel depends on. */
export interface KernelWatchParts {
  readonly timers: Timers;
  readonly dataplane: Pick<Dataplane, 'dump'>;
  readonly onSurvey: (snapshot: KernelSnapshot) => void;
}

/**
 * Looks from time to time what the kernel has and what it has counted: by that the status is true, and what another program
 * has removed comes back. The more there is the rarer, so that it takes a hundredth of a processor at most.
 */
export class KernelWatch {
  readonly #parts: KernelWatchParts;
  #callOff: () => void = () => {};

  constructor(parts: KernelWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#lookAfter(INTERVAL_MS);
  }

  stop(): void {
    this.#callOff();
  }

  #lookAfter(delayMs: number): void {
    this.#callOff = this.#parts.timers.after(delayMs, () => this.#look());
  }

  #look(): void {
    const { dataplane, onSurvey } = this.#parts;
    const dumped = dataplane.dump();
    if (dumped.ok) onSurvey(dumped.value);
    const objects = dumped.ok ? dumped.value.sas.length + dumped.value.policies.length : 0;
    this.#lookAfter(Math.min(Math.max(INTERVAL_MS, objects * MS_PER_OBJECT), LONGEST_INTERVAL_MS));
  }
}

const INTERVAL_MS = 2_000;
/** To read one takes some ten microseconds. */
const MS_PER_OBJECT = 1;
/** Some 4,000 peers. */
const LONGEST_INTERVAL_MS = 30_000;
