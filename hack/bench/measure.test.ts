import { describe, expect, it } from 'vitest';

import { median, medianInterval } from './measure.ts';

describe('median', () => {
  it('is the middle value, or the mean of the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
  });

  it('lies between the values of these ranks, by the table of the sign test', () => {
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => count - index);
    expect([6, 10, 20, 40].map((count) => medianInterval(upTo(count)))).toEqual([
      [1, 6],
      [2, 9],
      [6, 15],
      [14, 27],
    ]);
  });

  it('has no bounds that would be right in 95 of 100 cases where there are five values', () => {
    expect(() => medianInterval([1, 2, 3, 4, 5])).toThrow('5 values are too few');
  });
});
