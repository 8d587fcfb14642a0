import { concatenate } from '../bytes.ts';

/**
 * Lends `reader` the parts joined in one array, which is overwritten afterwards and must not be kept. Each array that
 * goes into node:crypto costs a call, and a short one a memory block of its own besides; so what is short is joined in
 * memory that is there already. Calls do not nest.
 */
export function withJoined<T>(parts: readonly Uint8Array[], reader: (joined: Uint8Array) => T): T {
  let length = 0;
  for (const part of parts) length += part.length;
  const fits = length <= scratch.length;
  const joined = fits ? scratch.subarray(0, length) : concatenate(parts);
  if (fits) {
    let offset = 0;
    for (const part of parts) {
      scratch.set(part, offset);
      offset += part.length;
    }
  }
  const result = reader(joined);
  joined.fill(0);
  return result;
}

/** An IKE_SA_INIT message with the nonce behind it, as AUTH covers it; with certificates or ML-KEM it may be longer. */
const scratch = new Uint8Array(2048);
