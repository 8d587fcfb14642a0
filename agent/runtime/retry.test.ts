import { describe, expect, it } from 'vitest';

import { Retry } from './retry.ts';

describe('the pauses between attempts', () => {
  it('begin anew after one that succeeds', () => {
    const retry = new Retry();
    const pauseAfter = (outcome: 'done' | 'failed', isUnresolved = false): number => {
      retry.note({ outcome, isUnresolved }, 0);
      return retry.leftMs(0);
    };
    const growing = Array.from({ length: 7 }, () => pauseAfter('failed'));
    expect(growing).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(pauseAfter('done')).toBe(Number.POSITIVE_INFINITY);
    expect(pauseAfter('failed')).toBe(1_000);
    expect(pauseAfter('done', true)).toBe(60_000);
  });
});
