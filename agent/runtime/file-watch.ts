import type { Timers } from '../ports.ts';

/** What a watch of files depends on. */
export interface FileWatchParts {
  readonly timers: Timers;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  /** Something that is the same exactly as long as the content of a file is; also where there is no file. */
  readonly digest: (file: string) => Promise<string>;
  /** Told when the content of any file has become another one and stays it; no look is taken before it settles. */
  readonly onChange: () => Promise<void>;
}

/**
 * Looks now and then whether files still have the content that they had. It is the content that counts: a Secret that
 * Kubernetes mounts changes by a symbolic link above it, for which there is no event at the file, and neither its name nor
 * its time says whether it is another one.
 *
 * A change is told when two looks in a row have found the same: a certificate and its key are seldom written at once.
 */
export class FileWatch {
  readonly #parts: FileWatchParts;
  #files: readonly string[] = [];
  #told: string | undefined;
  #seen: string | undefined;
  #unsettled = 0;
  #callOff: (() => void) | undefined;
  #stopped = false;

  constructor(parts: FileWatchParts) {
    this.#parts = parts;
  }

  /** Watches these files from here on. What they contain is told once more, in case it changed since they were read. */
  watch(files: readonly string[]): void {
    if (files.length === this.#files.length && files.every((file, index) => file === this.#files[index])) return;
    this.#files = files;
    this.#told = undefined;
    this.#seen = undefined;
    if (this.#callOff === undefined) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
  }

  #arm(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    if (this.#stopped || this.#files.length === 0) return;
    this.#callOff = this.#parts.timers.after(this.#parts.intervalMs, () => {
      this.#look().finally(() => this.#arm());
    });
  }

  async #look(): Promise<void> {
    const files = this.#files;
    const digests: string[] = [];
    for (const file of files) digests.push(await this.#parts.digest(file));
    if (files !== this.#files || this.#stopped) return;
    const found = digests.join();
    const settled = found === this.#seen || this.#unsettled >= MOST_UNSETTLED;
    this.#seen = found;
    if (found === this.#told) {
      this.#unsettled = 0;
      return;
    }
    this.#unsettled += 1;
    if (!settled) return;
    this.#unsettled = 0;
    this.#told = found;
    await this.#parts.onChange();
  }
}

/** Files that never come to rest are read all the same. */
const MOST_UNSETTLED = 5;
