import type { Prf } from './types.ts';

/** The part of a PRF that prf+ is built on. */
type PrfFunction = Pick<Prf, 'outputBytes' | 'compute'>;

/**
 * The first `length` bytes of prf+(key, seed[0] | seed[1] | …) (RFC 7296 §2.13). Throws if that is more than 255
 * blocks, the most that its counter can number: lengths come from our own table, so it is a bug.
 */
export function prfPlus(prf: PrfFunction, key: Uint8Array, seed: readonly Uint8Array[], length: number): Uint8Array {
  if (length > MAX_BLOCKS * prf.outputBytes) throw new Error('prf+ asked for more than 255 blocks');
  const output = new Uint8Array(length);
  let previous: Uint8Array = NOTHING;
  const input = [previous, ...seed, counter];
  for (let offset = 0; offset < length; offset += prf.outputBytes) {
    counter[0] = offset / prf.outputBytes + 1;
    input[0] = previous;
    const block = prf.compute(key, input);
    output.set(offset + block.length > length ? block.subarray(0, length - offset) : block, offset);
    previous.fill(0);
    previous = block;
  }
  previous.fill(0);
  return output;
}

/** `Prf.extractAndExpand` by means of `compute`, for providers that have nothing faster. */
export function extractAndExpand(
  prf: PrfFunction,
  salt: Uint8Array,
  secret: readonly Uint8Array[],
  seed: readonly Uint8Array[],
  length: number,
): Uint8Array {
  const extracted = prf.compute(salt, secret);
  const expanded = prfPlus(prf, extracted, seed, length);
  extracted.fill(0);
  return expanded;
}

/** What it numbers is computed at once. */
const counter = new Uint8Array(1);
const MAX_BLOCKS = 255;
const NOTHING = new Uint8Array(0);
