import type { Timers } from '../../ports.ts';

/**
 * A promise that is kept at a time of the virtual clock: whoever waits for it is called by that clock, before the time
 * goes on, and not by the microtasks of the process, which know nothing of it. What is promised cannot fail.
 */
export class Later<T> implements PromiseLike<T> {
  readonly #waiting: ((value: T) => void)[] = [];
  #kept: { readonly value: T } | undefined;

  /** `make` is called when the time has come. */
  static after<T>(timers: Timers, delayMs: number, make: () => T): Later<T> {
    const later = new Later<T>();
    timers.after(delayMs, () => later.#keep(make()));
    return later;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, for whoever waits for one.
  then<Next = T, Never = never>(
    fulfilled?: ((value: T) => Next | PromiseLike<Next>) | null,
    _?: ((reason: unknown) => Never | PromiseLike<Never>) | null,
  ): PromiseLike<Next | Never> {
    const next = new Later<Next>();
    const pass = (value: T): void => next.#keep((fulfilled?.(value) ?? value) as Next);
    if (this.#kept === undefined) this.#waiting.push(pass);
    else pass(this.#kept.value);
    return next;
  }

  #keep(value: T): void {
    this.#kept = { value };
    for (const call of this.#waiting.splice(0)) call(value);
  }
}
