import type { Random } from '../types.ts';

/** Gives `bytes` to every request, cut to its length: a private key chosen by the test. */
export function fixedRandom(bytes: Uint8Array): Random {
  return { fill: (target) => target.set(bytes.subarray(0, target.length)) };
}

/** Unpredictable enough for tests, and the same for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return {
    fill(target) {
      for (let i = 0; i < target.length; i++) {
        state = (state + 0x6d2b79f5) | 0;
        const mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        target[i] = (mixed ^ (mixed >>> 7)) >>> 11;
      }
    },
  };
}
