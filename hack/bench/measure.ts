import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Seconds of processor time, of all threads of this process, that `work` takes. */
export function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/**
 * Moves what is in use out of the young generation: else the collections that the measured work leads to would copy it,
 * and that would count as work. A collection of everything would not do: V8 starts with a small young generation again.
 */
export function age(): void {
  // The first moves objects within the young generation, the second out of it.
  for (let count = 0; count < 2; count += 1) collectYoung();
}

/**
 * Collects the young generation. At the end of measured work it makes that pay for all that it leaves: otherwise whether a
 * collection falls into it is a matter of how long it is, and what it leaves is collected at the expense of others.
 */
export function collectYoung(): void {
  collector({ type: 'minor', execution: 'sync' });
}

function exposedCollector(): NonNullable<typeof globalThis.gc> {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

const collector = exposedCollector();

/**
 * Adds up the processor time of this process while it does some of what it does. Not that of the thread, which Linux
 * brings up to date at its clock's ticks only. What reading it costs is found out first, with nothing to measure, and
 * taken off: it is a tenth of what a short event costs.
 */
export class Meter {
  #microseconds = 0;
  #count = 0;
  readonly #ownMicroseconds: number;

  constructor() {
    for (let count = 0; count < CALIBRATION; count += 1) this.measure(() => undefined);
    this.#ownMicroseconds = this.#microseconds / CALIBRATION;
    this.#microseconds = 0;
    this.#count = 0;
  }

  get seconds(): number {
    return (this.#microseconds - this.#count * this.#ownMicroseconds) / 1e6;
  }

  measure<T>(work: () => T): T {
    const before = process.cpuUsage();
    const outcome = work();
    const { user, system } = process.cpuUsage(before);
    this.#microseconds += user + system;
    this.#count += 1;
    return outcome;
  }
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [below, above] = [sorted[middle - 1], sorted[middle]];
  if (above === undefined) throw new Error('no values to take the median of');
  return sorted.length % 2 === 1 || below === undefined ? above : (below + above) / 2;
}

/** Bounds between which the median of what the values are drawn from lies in 95 of 100 cases, whatever its distribution. */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  // Each value is below the median by the toss of a coin: how many there are beyond a bound is binomial.
  let beyond = 0;
  let probability = 0.5 ** count;
  for (let sum = probability; sum <= (1 - CONFIDENCE) / 2; sum += probability) {
    beyond += 1;
    probability *= (count - beyond + 1) / beyond;
  }
  const [low, high] = [sorted[beyond - 1], sorted[count - beyond]];
  if (low === undefined || high === undefined)
    throw new Error(`${count} values are too few for bounds of their median`);
  return [low, high];
}

const CONFIDENCE = 0.95;
const CALIBRATION = 20_000;
