import { concatenate } from '../bytes.ts';

/**
 * Joins parts in one array, for one call into node:crypto; whoever asks for it overwrites it after that call and before
 * the next one of the same function. Each array that goes into node:crypto costs a call, and a short one a memory block
 * of its own besides; so they are joined in memory that is there already.
 */
export type Join = (parts: readonly Uint8Array[]) => Uint8Array;

/** A `Join` with memory of its own: for a call that takes several arrays, one for each. */
export function joinIn(scratch: Uint8Array): Join {
  let lent = scratch;
  return (parts) => {
    let length = 0;
    for (const part of parts) {
      if (length + part.length > scratch.length) {
        scratch.fill(0, 0, length);
        return concatenate(parts);
      }
      scratch.set(part, length);
      length += part.length;
    }
    // What is joined is mostly as long as the time before.
    if (lent.length !== length) lent = scratch.subarray(0, length);
    return lent;
  };
}

/**
 * The one for calls that take a single array. Enough for an IKE_SA_INIT message with the nonce behind it, as AUTH covers
 * it, unless its public value is of ML-KEM.
 */
export const joined = joinIn(new Uint8Array(1024));
