import type { Clock, Timers } from '../ports.ts';
import type { RandomStream } from './random-stream.ts';

interface Entry {
  readonly at: number;
  /** Decides between entries of the same time. */
  readonly tie: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/**
 * Time that passes only when everything due has been done: a heap of callbacks. Those of the same millisecond run in
 * an order drawn from the seed, because nothing in the world promises another.
 */
export class VirtualClock implements Clock, Timers {
  readonly #heap: Entry[] = [];
  readonly #ties: RandomStream;
  #now = START_MS;
  #order = 0;

  constructor(ties: RandomStream) {
    this.#ties = ties;
  }

  monotonicMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#now + EPOCH_MS;
  }

  /** Milliseconds since the simulation began. */
  get elapsedMs(): number {
    return this.#now - START_MS;
  }

  after(delayMs: number, callback: () => void): () => void {
    const at = this.#now + Math.max(0, delayMs);
    this.#order += 1;
    const entry: Entry = { at, tie: this.#ties.uint32(), order: this.#order, callback };
    this.#push(entry);
    return () => {
      entry.callback = undefined;
    };
  }

  /** Runs the earliest callback; false when nothing is due before `untilMs` of elapsed time, which it then is. */
  step(untilMs: number): boolean {
    const until = START_MS + untilMs;
    for (let first = this.#heap[0]; first !== undefined && first.at <= until; first = this.#heap[0]) {
      this.#pop();
      if (first.callback === undefined) continue;
      this.#now = first.at;
      first.callback();
      return true;
    }
    this.#now = Math.max(this.#now, until);
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !precedes(entry, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let smaller = heap[child];
      const right = heap[child + 1];
      if (smaller !== undefined && right !== undefined && precedes(right, smaller)) {
        child += 1;
        smaller = right;
      }
      if (smaller === undefined || precedes(last, smaller)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
  }
}

function precedes(left: Entry, right: Entry): boolean {
  if (left.at !== right.at) return left.at < right.at;
  return left.tie !== right.tie ? left.tie < right.tie : left.order < right.order;
}

/** No instant of a simulation is 0, which some code could take for "never". */
const START_MS = 1_000;
/** 1 January 2030. */
const EPOCH_MS = 1_893_456_000_000;
