/**
 * A 64-bit state that absorbs bytes one by one, for the toy provider. Not cryptography: whoever wants to can forge it.
 * Each step is a bijection of each half, so that two inputs that differ in one byte never end in the same state.
 */
export class Mix {
  #a: number;
  #b: number;

  constructor(domain: number) {
    this.#a = (domain ^ 0x9e3779b9) | 0;
    this.#b = Math.imul(domain + 1, 0x85ebca6b) | 0;
  }

  absorb(bytes: Uint8Array): this {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(((b << 7) | (b >>> 25)) ^ byte, 0xcc9e2d51 | 1);
    }
    this.#a = a;
    this.#b = b;
    return this;
  }

  /** Fills `target` with bytes that depend on all that was absorbed; its first eight are a bijection of the state. */
  squeeze(target: Uint8Array): void {
    let a = scramble(this.#a);
    let b = scramble(this.#b);
    for (let i = 0; i < target.length; i++) {
      if (i > 0 && i % 8 === 0) {
        a = scramble((a + b + i) | 0);
        b = scramble((b ^ (a >>> 3)) | 0);
      }
      const half = i % 8 < 4 ? a : b;
      target[i] = half >>> (8 * (i % 4));
    }
  }
}

/** The finalizer of MurmurHash3: a bijection in which every bit depends on every other. */
function scramble(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
