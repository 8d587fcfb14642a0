import { describe, expect, it } from 'vitest';

import { choosePairs } from './choose-pairs.ts';

describe('the pairs that are tried', () => {
  it('are all of a small mesh, each once', () => {
    expect(choosePairs(['a', 'b', 'c'], undefined, undefined)).toEqual({
      pairs: expect.arrayContaining([
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'c'],
      ]),
      leftOut: 0,
    });
    for (const count of [0, 1, 2, 4, 33]) {
      const { pairs, leftOut } = choosePairs(names(count), undefined, undefined);
      expect(pairs.length, `of ${count}`).toBe((count * Math.max(0, count - 1)) / 2);
      expect(leftOut).toBe(0);
    }
  });

  it('are those of the node that is named, or of both', () => {
    expect(choosePairs(['a', 'b', 'c'], 'b', undefined).pairs).toEqual([
      ['b', 'a'],
      ['b', 'c'],
    ]);
    expect(choosePairs(['a', 'b', 'c'], 'b', 'c')).toEqual({ pairs: [['b', 'c']], leftOut: 0 });
  });

  it('are so many of a large mesh that every node that is asked is tried with 32 others, and the rest is counted', () => {
    const { pairs, leftOut } = choosePairs(names(1_000), undefined, undefined);
    const tried = new Map<string, number>();
    for (const name of pairs.flat()) tried.set(name, (tried.get(name) ?? 0) + 1);
    expect(tried.size).toBe(100);
    expect(new Set(tried.values())).toEqual(new Set([32]));
    expect(leftOut).toBe(499_500 - pairs.length);
    expect(choosePairs(names(1_000), 'n5', undefined)).toMatchObject({ leftOut: 900 });
  });
});

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `n${index}`);
}
