/**
 * A growing big-endian output. Lengths that stand before what they measure are left open with `reserve16` and filled
 * in afterwards with `patch16`, so no size is computed twice. It may be cleared and used again: `finish` copies.
 * A number that does not fit its field is a bug of the caller, who bounds what is sent: it throws, and is never cut.
 */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(initialBytes: number) {
    this.#bytes = new Uint8Array(initialBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** Forgets what was written; the memory stays for the next message. */
  clear(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    if (value > 0xff) throw tooLarge(value, 8);
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    if (value > 0xffff) throw tooLarge(value, 16);
    const at = this.#advance(2);
    this.#view.setUint16(at, value);
  }

  u24(value: number): void {
    const at = this.#advance(3);
    this.#view.setUint8(at, value >>> 16);
    this.#view.setUint16(at + 1, value);
  }

  u32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value);
  }

  bytes(value: Uint8Array): void {
    const at = this.#advance(value.length);
    this.#bytes.set(value, at);
  }

  zeros(count: number): void {
    const at = this.#advance(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Leaves room for a 16-bit length; returns its offset for `patch16`. */
  reserve16(): number {
    const at = this.#advance(2);
    this.#view.setUint16(at, 0);
    return at;
  }

  /** Writes `value` at an offset that is already written. */
  patch16(at: number, value: number): void {
    if (value > 0xffff) throw tooLarge(value, 16);
    this.#view.setUint16(at, value);
  }

  patch32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** A copy of what was written from `start` on, of exactly its length. */
  finish(start = 0): Uint8Array {
    return this.#bytes.slice(start, this.#length);
  }

  /** May replace the memory, and so the view: it is called before the view is used. */
  #advance(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#length = needed;
    return at;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function tooLarge(value: number, bits: number): Error {
  return new Error(`${value} does not fit a field of ${bits} bits`);
}
