/** Counts observations by size, as a Prometheus histogram does. */
export class Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds` are upper ones, inclusive, in ascending order. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const index = this.#bounds.findIndex((bound) => value <= bound);
    if (index >= 0) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#count;
  }

  /** How many observations were at most `bound`. */
  get buckets(): readonly { readonly bound: number; readonly cumulative: number }[] {
    let cumulative = 0;
    return this.#bounds.map((bound, index) => {
      cumulative += this.#counts[index] ?? 0;
      return { bound, cumulative };
    });
  }
}
