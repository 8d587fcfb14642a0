import { describe, expect, it } from 'vitest';

import { parsePing } from './counted-pings.ts';
import { type DirectionReport, expectNothingLost } from './counted-stream.ts';
import { SequenceCounter } from './sequence-counter.ts';

describe('SequenceCounter', () => {
  it('counts arrivals, repetitions, reordering and the longest silence', () => {
    const counter = new SequenceCounter();
    for (const [sequence, at] of [
      [0, 0],
      [2, 10],
      [1, 15],
      [2, 500],
      [3, 45],
    ] as const) {
      counter.add(sequence, at);
    }
    expect(counter.counts()).toEqual({ received: 4, duplicated: 1, reordered: 1, longestGapMs: 30 });
  });
});

describe('expectNothingLost', () => {
  const perfect: DirectionReport = {
    from: 'a',
    to: 'b',
    sent: 5,
    received: 5,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    longestGapMs: 3,
    refused: {},
  };

  it('is content when every datagram arrived once', () => {
    expect(() => expectNothingLost([perfect, perfect])).not.toThrow();
  });

  it.each([
    [{ lost: 1 }, '1 of 5 lost'],
    [{ duplicated: 2 }, '2 twice'],
    [{ refused: { EPERM: 3 } }, '3 refused with EPERM'],
    [{ sent: 0, received: 0 }, '0 of 0 lost'],
  ])('names what went wrong: %o', (fault, words) => {
    expect(() => expectNothingLost([perfect, { ...perfect, ...fault }])).toThrow(words);
  });
});

describe('parsePing', () => {
  it('reads the counts, with and without duplicates', () => {
    expect(parsePing('5 packets transmitted, 3 received, 40% packet loss, time 4ms')).toMatchObject({
      sent: 5,
      received: 3,
      duplicated: 0,
    });
    expect(parsePing('5 packets transmitted, 5 received, +2 duplicates, 0% packet loss')).toMatchObject({
      duplicated: 2,
    });
    expect(parsePing('connect: Network is unreachable')).toMatchObject({ sent: 0, received: 0 });
  });
});
