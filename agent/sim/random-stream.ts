import type { Random } from '../crypto/types.ts';

/**
 * A stream of numbers that depends on nothing but its seed and its name (the sfc32 generator). One stream for each
 * purpose, so that one more draw of one kind leaves all others as they were.
 */
export class RandomStream implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / TWO_TO_32) | 0;
    this.#c = hashOf(name);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.uint32();
  }

  /** The next 32 bits. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  fill(target: Uint8Array): void {
    for (let index = 0; index < target.length; index += 4) {
      let word = this.uint32();
      for (let byte = index; byte < Math.min(index + 4, target.length); byte += 1) {
        target[byte] = word;
        word >>>= 8;
      }
    }
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    return Math.floor((this.uint32() / TWO_TO_32) * limit);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in this share of all cases. */
  chance(share: number): boolean {
    return this.uint32() < share * TWO_TO_32;
  }

  /** One of several, each equally likely. */
  pick<T>(choices: readonly [T, ...T[]]): T;
  pick<T>(choices: readonly T[]): T | undefined;
  pick<T>(choices: readonly T[]): T | undefined {
    return choices[this.below(choices.length)];
  }
}

/** FNV-1a. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return hash | 0;
}

const TWO_TO_32 = 2 ** 32;
/** As the generator's author advises: after so many rounds every bit of the seed has reached every bit of the state. */
const WARM_UP_ROUNDS = 15;
