/** One line on a terminal that says how far a long run has come; nothing where nobody looks. */
export class Progress {
  readonly #total: number;
  #shownAt = performance.now();
  #shown = false;

  constructor(total: number) {
    this.#total = total;
  }

  /** Shows a state, unless another one was shown just now. */
  show(done: number, failed: number): void {
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < EVERY_MS) return;
    this.#shownAt = performance.now();
    this.#shown = true;
    process.stderr.write(`\r${done} of ${this.#total}, ${failed} failed `);
  }

  /** Makes room for other lines. */
  clear(): void {
    if (this.#shown) process.stderr.write(ERASE_LINE);
    this.#shown = false;
  }
}

const EVERY_MS = 500;
/** ECMA-48: back to the first column, and EL for all of the line. */
const ERASE_LINE = '\r\u001b[2K';
