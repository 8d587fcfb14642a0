/** What a receiver counted. */
export interface SequenceCounts {
  /** Different numbers seen. */
  readonly received: number;
  /** Arrivals of a number seen before. */
  readonly duplicated: number;
  /** First arrivals behind a higher number. */
  readonly reordered: number;
  /** The longest time between two first arrivals, in milliseconds. */
  readonly longestGapMs: number;
}

/** Counts numbered datagrams. */
export class SequenceCounter {
  readonly #seen = new Set<number>();
  #highest = -1;
  #duplicated = 0;
  #reordered = 0;
  #longestGapMs = 0;
  #lastAt: number | undefined;

  /** Notes the arrival of a number at a time in milliseconds. */
  add(sequence: number, at: number): void {
    if (this.#seen.has(sequence)) {
      this.#duplicated++;
      return;
    }
    this.#seen.add(sequence);
    if (sequence < this.#highest) this.#reordered++;
    this.#highest = Math.max(this.#highest, sequence);
    this.#longestGapMs = Math.max(this.#longestGapMs, at - (this.#lastAt ?? at));
    this.#lastAt = at;
  }

  counts(): SequenceCounts {
    return {
      received: this.#seen.size,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      longestGapMs: Math.round(this.#longestGapMs),
    };
  }
}
