import { concatenate } from '../bytes.ts';

/**
 * The parts joined in one array, for one call into node:crypto; whoever asked for it overwrites it after that call and
 * before the next one of this function. Each array that goes into node:crypto costs a call, and a short one a memory
 * block of its own besides; so they are joined in memory that is there already.
 */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) {
    if (length + part.length > scratch.length) {
      scratch.fill(0, 0, length);
      return concatenate(parts);
    }
    scratch.set(part, length);
    length += part.length;
  }
  return scratch.subarray(0, length);
}

/** Enough for an IKE_SA_INIT message with the nonce behind it, as AUTH covers it, unless its public value is of ML-KEM. */
const scratch = new Uint8Array(1024);
