import { describe, expect, it } from 'vitest';

import { systemRandom } from './random-system.ts';

describe('system random', () => {
  it('gives every draw bytes of its own, whatever the lengths', () => {
    const seen = new Set<string>();
    for (let draw = 0; draw < 500; draw += 1) {
      const target = new Uint8Array(8 + (draw % 60));
      systemRandom.fill(target);
      seen.add(target.subarray(0, 8).join());
    }
    expect(seen.size).toBe(500);
  });

  it('fills all of a target that is longer than its reserve', () => {
    const target = new Uint8Array(10_000);
    systemRandom.fill(target);
    // Of 10,000 unpredictable bytes, in every stretch of 64 some are not zero.
    for (let at = 0; at < target.length; at += 64)
      expect(target.subarray(at, at + 64).some((byte) => byte > 0)).toBe(true);
  });
});
