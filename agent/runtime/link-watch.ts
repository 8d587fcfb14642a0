import type { Timers } from '../ports.ts';

/** What a watch of links depends on. */
export interface LinkWatchParts {
  readonly timers: Timers;
  /** Whether sockets belong to interfaces that are not what their names mean any more. */
  readonly isStale: () => boolean;
  /** Makes the sockets anew and looks what the kernel's policies are of; false where that is to be tried again. */
  readonly onStale: () => boolean;
}

/**
 * Looks now and then whether the interfaces of link-local addresses are still the same ones. One that was removed and
 * made anew has another index: sockets hear nothing any more, and what leaves by it meets no policy of ours.
 */
export class LinkWatch {
  readonly #parts: LinkWatchParts;
  #callOff: (() => void) | undefined;
  #again = false;

  constructor(parts: LinkWatchParts) {
    this.#parts = parts;
  }

  /** Looks from here on if there is anything to look at, and no more if there is not. */
  watch(wanted: boolean): void {
    this.#callOff?.();
    this.#callOff = wanted ? this.#parts.timers.after(INTERVAL_MS, () => this.#look()) : undefined;
  }

  #look(): void {
    if (this.#again || this.#parts.isStale()) this.#again = !this.#parts.onStale();
    this.watch(true);
  }
}

const INTERVAL_MS = 2_000;
