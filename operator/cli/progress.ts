/** Tells on a terminal what takes so long; elsewhere nothing, so that nothing of it gets into logs. */
export class Progress {
  readonly #stream: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly #quiet: boolean;
  #shown = false;

  constructor(stream: { readonly isTTY?: boolean; write(text: string): unknown }, quiet: boolean) {
    this.#stream = stream;
    this.#quiet = quiet || stream.isTTY !== true;
  }

  /** Takes the place of what was told before. */
  tell(text: string): void {
    if (this.#quiet) return;
    this.#stream.write(`${CLEARED}${text} …`);
    this.#shown = true;
  }

  /** Leaves the line empty for what comes. */
  end(): void {
    if (this.#shown) this.#stream.write(CLEARED);
    this.#shown = false;
  }
}

const CLEARED = '\r\u001b[2K';
