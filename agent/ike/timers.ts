import type { Instant } from './types.ts';

/** Something that has deadlines. `timerAt` belongs to the timers alone. */
export interface Timed {
  timerAt: Instant | undefined;
}

/**
 * The earliest deadlines of many owners: a binary heap in which each owner has at most one live entry. An owner whose
 * deadline moves later keeps its entry and is entered again when that comes to the top, without being called; so moving
 * a deadline costs nothing, which with one per message matters.
 */
export class Timers<Owner extends Timed> {
  readonly #deadlineOf: (owner: Owner) => Instant | undefined;
  readonly #entries: { readonly at: Instant; readonly owner: Owner }[] = [];

  /** `deadlineOf` tells when an owner is to be called as things stand now. */
  constructor(deadlineOf: (owner: Owner) => Instant | undefined) {
    this.#deadlineOf = deadlineOf;
  }

  /** Makes sure that `owner` is called by `at`. */
  set(owner: Owner, at: Instant | undefined): void {
    if (at === undefined || (owner.timerAt !== undefined && owner.timerAt <= at)) return;
    owner.timerAt = at;
    this.#push({ at, owner });
  }

  /** When the first owner is to be called. */
  next(): Instant | undefined {
    this.#dropStale();
    return this.#entries[0]?.at;
  }

  /** Takes out one owner whose time has come; undefined when none is due. */
  take(now: Instant): Owner | undefined {
    this.#dropStale();
    const first = this.#entries[0];
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    first.owner.timerAt = undefined;
    return first.owner;
  }

  /** Entries that were overtaken by an earlier one of the same owner, that are early, or whose owner was forgotten. */
  #dropStale(): void {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      const { at, owner } = first;
      const isLive = owner.timerAt === at;
      const due = isLive ? this.#deadlineOf(owner) : undefined;
      if (due !== undefined && due <= at) return;
      this.#pop();
      if (!isLive) continue;
      owner.timerAt = undefined;
      this.set(owner, due);
    }
  }

  #push(entry: { readonly at: Instant; readonly owner: Owner }): void {
    const entries = this.#entries;
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || above.at <= entry.at) break;
      entries[index] = above;
      index = parent;
    }
    entries[index] = entry;
  }

  #pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = entries[child];
      if (left === undefined) break;
      const right = entries[child + 1];
      if (right !== undefined && right.at < left.at) child += 1;
      const smaller = entries[child];
      if (smaller === undefined || last.at <= smaller.at) break;
      entries[index] = smaller;
      index = child;
    }
    entries[index] = last;
  }
}
