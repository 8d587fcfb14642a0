/** What the window says of a sequence number before the packet is authenticated. */
export type ReplayVerdict =
  /** The full sequence number to authenticate with. */
  { readonly kind: 'fresh'; readonly sequence: number } | { readonly kind: 'replayed' };

/**
 * The anti-replay window of an inbound SA (RFC 4303 §3.4.3 and appendix A; net/xfrm/xfrm_replay.c). Sequence numbers
 * are held in full, as JavaScript numbers: 2^53 packets are more than anybody sends under one key.
 */
export class ReplayWindow {
  readonly #size: number;
  readonly #esn: boolean;
  #top = 0;
  /** One bit for each of the last `size` numbers, by number modulo size; made at the first packet. */
  #seen: Uint32Array | undefined;

  /** A size of 0 checks nothing. */
  constructor(size: number, esn: boolean) {
    this.#size = size;
    this.#esn = esn;
  }

  /** The highest sequence number accepted. */
  get top(): number {
    return this.#top;
  }

  /** Starts at another highest number, for tests of what happens late in an SA's life. */
  startAt(top: number): void {
    this.#top = top;
    this.#seen = undefined;
  }

  /** Judges the 32 bits of a packet; changes nothing. */
  check(low: number): ReplayVerdict {
    const sequence = this.#esn ? this.#inferred(low) : low;
    if (this.#size === 0) return { kind: 'fresh', sequence };
    if (sequence <= 0) return { kind: 'replayed' };
    if (sequence > this.#top) return { kind: 'fresh', sequence };
    if (this.#top - sequence >= this.#size || this.#has(sequence)) return { kind: 'replayed' };
    return { kind: 'fresh', sequence };
  }

  /** Notes an authenticated packet. */
  accept(sequence: number): void {
    if (this.#size === 0) {
      this.#top = Math.max(this.#top, sequence);
      return;
    }
    const seen = this.#seen ?? new Uint32Array(Math.ceil(this.#size / 32));
    this.#seen = seen;
    if (sequence > this.#top) {
      if (sequence - this.#top >= this.#size) seen.fill(0);
      else for (let skipped = this.#top + 1; skipped < sequence; skipped++) this.#mark(seen, skipped, false);
      this.#top = sequence;
    }
    this.#mark(seen, sequence, true);
  }

  /** RFC 4303 appendix A2.2: the high half is the one that puts the number nearest above the bottom of the window. */
  #inferred(low: number): number {
    const high = Math.floor(this.#top / TWO_TO_32);
    const topLow = this.#top % TWO_TO_32;
    const bottomLow = topLow - this.#size + 1;
    if (bottomLow >= 0) return (low < bottomLow ? high + 1 : high) * TWO_TO_32 + low;
    return (low >= bottomLow + TWO_TO_32 ? high - 1 : high) * TWO_TO_32 + low;
  }

  #has(sequence: number): boolean {
    if (this.#seen === undefined) return false;
    const bit = sequence % this.#size;
    return (((this.#seen[bit >>> 5] as number) >>> (bit & 31)) & 1) === 1;
  }

  #mark(seen: Uint32Array, sequence: number, present: boolean): void {
    const bit = sequence % this.#size;
    const word = seen[bit >>> 5] as number;
    seen[bit >>> 5] = present ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
  }
}

const TWO_TO_32 = 2 ** 32;
