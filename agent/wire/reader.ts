import { type Malformed, malformed } from './malformed.ts';
import { uint32At } from './uint32.ts';

/**
 * A cursor over a part of one datagram that cannot leave its part.
 *
 * Failure is sticky: a read beyond the end notes one `Malformed`, returns zero or nothing, and moves the cursor to its
 * end, so a decoder reads field after field and asks `failed` once before it believes what it read. The first failure
 * of a datagram is kept and shared by every reader of it. Everything that reading returns is a copy or a number:
 * nothing refers to the datagram afterwards.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #outcome: Outcome;
  readonly #end: number;
  #offset: number;

  private constructor(bytes: Uint8Array, outcome: Outcome, offset: number, end: number) {
    this.#bytes = bytes;
    this.#outcome = outcome;
    this.#offset = offset;
    this.#end = end;
  }

  /** A reader of all of `bytes`. */
  static over(bytes: Uint8Array): Reader {
    // Subclasses override slice() with other semantics: Node's Buffer would give a view where a copy is needed.
    const plain =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Reader(plain, { failure: undefined }, 0, plain.byteLength);
  }

  /** Position in the datagram, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes left in this reader's part. */
  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** The first failure of any reader of this datagram. */
  get failure(): Malformed | undefined {
    return this.#outcome.failure;
  }

  /** True from the first failure on. */
  get failed(): boolean {
    return this.#outcome.failure !== undefined;
  }

  /** Notes that a field read at `offset` is not allowed; ends this reader. */
  fail(offset: number, field: string, reason: string): undefined {
    this.#outcome.failure ??= malformed(offset, field, reason);
    this.#offset = this.#end;
    return undefined;
  }

  u8(field: string): number {
    const at = this.#take(1, field);
    return at < 0 ? 0 : this.#u8(at);
  }

  u16(field: string): number {
    const at = this.#take(2, field);
    return at < 0 ? 0 : this.#u16(at);
  }

  u24(field: string): number {
    const at = this.#take(3, field);
    return at < 0 ? 0 : (this.#u8(at) << 16) | this.#u16(at + 1);
  }

  u32(field: string): number {
    const at = this.#take(4, field);
    return at < 0 ? 0 : uint32At(this.#bytes, at);
  }

  /** Passes over reserved octets, which are ignored on receipt. */
  skip(count: number, field: string): void {
    this.#take(count, field);
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number, field: string): Uint8Array {
    const at = this.#take(count, field);
    return at < 0 || count === 0 ? NO_BYTES : this.#bytes.slice(at, at + count);
  }

  /** Whether the next `count` bytes stand there twice, one behind the other. */
  repeats(count: number): boolean {
    if (this.remaining < 2 * count) return false;
    const first = this.#offset;
    for (let at = first; at < first + count; at++) if (this.#u8(at) !== this.#u8(at + count)) return false;
    return true;
  }

  /** A copy of all that is left. */
  rest(): Uint8Array {
    const at = this.#offset;
    this.#offset = this.#end;
    return at === this.#end ? NO_BYTES : this.#bytes.slice(at, this.#end);
  }

  /**
   * A reader of the next `count` bytes only; this one continues behind them. A length field counts its own header, so
   * `count` may come out negative, which is a failure like a count beyond the end.
   */
  part(count: number, field: string): Reader {
    const at = this.#take(count, field);
    const start = at < 0 ? this.#end : at;
    return new Reader(this.#bytes, this.#outcome, start, at < 0 ? start : at + count);
  }

  #u8(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #u16(at: number): number {
    return (this.#u8(at) << 8) | this.#u8(at + 1);
  }

  #take(count: number, field: string): number {
    const at = this.#offset;
    const left = this.#end - at;
    if (count > left || count < 0) {
      this.fail(at, field, count < 0 ? 'is less than its own header' : `needs ${count} bytes, only ${left} are left`);
      return -1;
    }
    this.#offset = at + count;
    return at;
  }
}

interface Outcome {
  failure: Malformed | undefined;
}

/** Shared, since it cannot be written to: making an empty array costs as much as four short ones. */
const NO_BYTES = new Uint8Array(0);
