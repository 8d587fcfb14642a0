/** Tells step by step what happens. */
export class Story {
  readonly #write: (text: string) => void;
  #steps: number;

  /** `steps` have been told already. */
  constructor(write: (text: string) => void, steps = 0) {
    this.#write = write;
    this.#steps = steps;
  }

  /** How many steps have been told. */
  get steps(): number {
    return this.#steps;
  }

  step(text: string): void {
    this.#steps += 1;
    this.#write(`\n${this.#steps}. ${text}\n`);
  }

  tell(...lines: readonly string[]): void {
    for (const line of lines) this.#write(`   ${line}\n`);
  }
}
