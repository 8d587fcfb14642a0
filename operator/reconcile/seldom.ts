/** Lets something be said once in a while, however often it happens. */
export class Seldom {
  readonly #saidAt = new Map<string, number>();

  /** Whether what `key` stands for is to be said again. */
  may(key: string): boolean {
    const now = performance.now();
    const before = this.#saidAt.get(key);
    if (before !== undefined && now - before < PERIOD_MS) return false;
    if (this.#saidAt.size >= MAX_KEYS) this.#saidAt.clear();
    this.#saidAt.set(key, now);
    return true;
  }
}

const PERIOD_MS = 60_000;
const MAX_KEYS = 1_000;
