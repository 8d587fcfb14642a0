import { type Backoff, waitAfter } from './backoff.ts';

/** What became of one attempt; `retryAfterMs` is the least that the server wants to be left alone. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'retry'; readonly retryAfterMs?: number | undefined };

export interface WorkQueueOptions {
  /** Does what a key stands for; throws only by a bug. */
  readonly work: (key: string) => Promise<Outcome>;
  /** As many at a time. */
  readonly concurrency: number;
  readonly backoff: Backoff;
}

/**
 * Keys that wait to be worked on: each once, however often it was added, and never twice at a time. One that fails waits
 * longer each time and holds up no other.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready = new Set<string>();
  readonly #later = new Map<string, { readonly dueAt: number; readonly timer: NodeJS.Timeout }>();
  readonly #busy = new Map<string, Promise<void>>();
  /** Added while they were worked on. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait or are worked on. */
  get length(): number {
    return this.#ready.size + this.#later.size + this.#busy.size;
  }

  /** Keys that are due, are worked on or have failed and are tried again: not those that were told to wait. */
  get backlog(): number {
    const failed = [...this.#later.keys()].filter((key) => this.#failures.has(key));
    return this.#ready.size + this.#busy.size + failed.length;
  }

  /** Has a key worked on, after a while at most; an earlier time that it has already stays. */
  add(key: string, afterMs = 0): void {
    if (this.#stopped || this.#ready.has(key)) return;
    if (this.#busy.has(key)) {
      this.#again.add(key);
      return;
    }
    const dueAt = performance.now() + afterMs;
    const waiting = this.#later.get(key);
    if (waiting !== undefined && waiting.dueAt <= dueAt) return;
    this.#withdraw(key);
    if (afterMs > 0) {
      const timer = setTimeout(() => {
        this.#later.delete(key);
        this.#ready.add(key);
        this.#begin();
      }, afterMs);
      this.#later.set(key, { dueAt, timer });
    } else {
      this.#ready.add(key);
      this.#begin();
    }
  }

  /** Nothing remains to be done for a key, and its failures are forgotten. */
  forget(key: string): void {
    this.#failures.delete(key);
    this.#again.delete(key);
    this.#ready.delete(key);
    this.#withdraw(key);
  }

  /** Begins no more, and waits for what was begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const key of [...this.#later.keys(), ...this.#ready]) this.forget(key);
    await Promise.all(this.#busy.values());
  }

  #withdraw(key: string): void {
    clearTimeout(this.#later.get(key)?.timer);
    this.#later.delete(key);
  }

  #begin(): void {
    for (const key of this.#ready) {
      if (this.#stopped || this.#busy.size >= this.#options.concurrency) return;
      this.#ready.delete(key);
      this.#busy.set(
        key,
        this.#work(key).finally(() => this.#begin()),
      );
    }
  }

  async #work(key: string): Promise<void> {
    // After the caller has noted that it is busy.
    await Promise.resolve();
    const outcome = await this.#options.work(key);
    this.#busy.delete(key);
    const again = this.#again.delete(key);
    if (outcome.kind === 'done') {
      this.#failures.delete(key);
      if (again) this.add(key);
      return;
    }
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.add(key, Math.max(waitAfter(failures, this.#options.backoff), outcome.retryAfterMs ?? 0));
  }
}
