import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../limits.ts';
import { type Answer, type Arrival, counted, fails, reported, unknownArrival } from './arrival.ts';

/** What is known after our kernel has counted so many packets, every two seconds. */
function counting(...counts: readonly (readonly [sent: number, received: number, undecryptable?: number])[]): Arrival {
  return counts.reduce<Arrival>((known, [sent, received, undecryptable = 0], index) => {
    return counted(known, 2_000 * (index + 1), { sent, received, undecryptable }, DEFAULT_LIMITS);
  }, unknownArrival(0));
}

/** What is known after our kernel has counted what was sent. */
function sending(known: Arrival, at: number, sent: number): Arrival {
  return counted(known, at, { sent, received: known.received, undecryptable: 0 }, DEFAULT_LIMITS);
}

/** What is known after the peer has said so, at once, when it was asked at that time. */
function said(known: Arrival, at: number, packets: number, { undecryptable = 0, ageMs = 0 } = {}): Arrival {
  return told(known, at, { askedAt: at, repeated: false }, packets, { undecryptable, ageMs });
}

function told(
  known: Arrival,
  at: number,
  answer: Answer,
  packets: number,
  { undecryptable = 0, ageMs = 0 } = {},
): Arrival {
  return reported(known, at, answer, { packets, undecryptable, ageMs }, DEFAULT_LIMITS);
}

/** What is known after so many surveys, every two seconds from that time on, at each of which the peer counts no more. */
function inVain(known: Arrival, from: number, rounds: number, each = 4): Arrival {
  const { received } = known.reported;
  let now = known;
  for (let round = 0; round < rounds; round += 1) {
    const at = from + 2_000 * round;
    now = said(sending(now, at, now.sent + each), at, received);
  }
  return now;
}

describe('whether packets of a pair arrive', () => {
  it('is not claimed before any was sent, nor before the peer has counted one', () => {
    expect(counting([0, 0])).toMatchObject({ inbound: 'unused', outbound: 'unused' });
    expect(counting([5, 0])).toMatchObject({ inbound: 'unused', outbound: 'unconfirmed' });
    expect(said(counting([5, 0]), 2_100, 5)).toMatchObject({ outbound: 'arrived' });
  });

  it('is denied when the peer answers three times in a row and counts none of what was sent before each', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    const nearly = inVain(known, 4_000, 2);
    expect(nearly).toMatchObject({ outbound: 'arrived', trial: { lost: 8 } });
    const lost = inVain(known, 4_000, 3);
    expect(lost).toMatchObject({ outbound: 'lost', lostAt: 8_000 });
    expect(fails(lost)).toBe(true);
    expect(fails(said(lost, 12_000, 6))).toBe(false);
    expect(said(lost, 12_000, 6)).toMatchObject({ outbound: 'arrived', lostAt: undefined });
  });

  it('is not denied by one that counts a packet in between', () => {
    const once = said(inVain(said(counting([5, 5]), 2_100, 5), 4_000, 2), 7_000, 6);
    expect(inVain(once, 8_000, 2)).toMatchObject({ outbound: 'arrived', trial: { lost: 8 } });
  });

  it('is not denied while nothing new is sent, however often the peer is asked', () => {
    const known = sending(said(counting([5, 5]), 2_100, 5), 4_000, 500);
    const asked = [6_000, 8_000, 10_000, 12_000, 14_000].reduce((now, at) => said(now, at, 5), known);
    expect(asked).toMatchObject({ outbound: 'arrived', trial: { lost: 4 } });
  });

  it('is not denied for few packets, which any path may lose', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    expect(inVain(known, 4_000, 11, 1)).toMatchObject({ outbound: 'arrived', trial: { lost: 11 } });
    expect(inVain(known, 4_000, 12, 1)).toMatchObject({ outbound: 'lost' });
  });

  it('is not denied where an answer was long in coming: the path was cut off', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    const cutOff = sending(sending(known, 4_000, 100), 6_000, 200);
    const back = told(cutOff, 20_000, { askedAt: 4_000, repeated: true }, 5);
    expect(back).toMatchObject({ outbound: 'arrived', trial: { lost: 0 } });
    // What was sent until it was back is not asked for again.
    const since = said(sending(back, 21_000, 300), 21_100, 5);
    expect(since).toMatchObject({ outbound: 'arrived', trial: { lost: 0 } });
    expect(inVain(since, 23_000, 2)).toMatchObject({ outbound: 'arrived' });
    expect(inVain(since, 23_000, 3)).toMatchObject({ outbound: 'lost' });
  });

  it('is not denied where the peer had counted all of them before our own kernel was asked, and no more are sent', () => {
    const known = said(counting([0, 0]), 2_500, 12);
    expect(known).toMatchObject({ outbound: 'arrived' });
    const sent = sending(known, 4_000, 12);
    const asked = [5_000, 7_000, 9_000, 11_000].reduce((now, at) => said(now, at, 12), sent);
    expect(asked).toMatchObject({ outbound: 'arrived', trial: { lost: 0 } });
  });

  it('is not denied by what the peer may have counted long before it came here', () => {
    const known = inVain(said(counting([5, 5]), 2_100, 5), 4_000, 2);
    const asked = sending(known, 10_000, known.sent + 4);
    // In a question of the peer's.
    expect(told(asked, 12_000, undefined, 5)).toMatchObject({ outbound: 'arrived', doubted: true });
    // Its kernel was asked before they were sent.
    expect(said(asked, 12_000, 5, { ageMs: 2_500 })).toMatchObject({ outbound: 'arrived' });
    expect(said(asked, 12_000, 5, { ageMs: 1_500 })).toMatchObject({ outbound: 'lost' });
  });

  it('is denied when only such come as our keys did not make, until a good one comes', () => {
    const broken = counting([0, 5, 0], [0, 5, 2], [0, 5, 3]);
    expect(broken).toMatchObject({ inbound: 'undecryptable' });
    const good = counted(broken, 8_000, { sent: 0, received: 6, undecryptable: 9 }, DEFAULT_LIMITS);
    expect(good).toMatchObject({ inbound: 'received' });
    // A stranger who sends such between good ones denies nothing.
    expect(counting([0, 5, 0], [0, 6, 100], [0, 7, 200])).toMatchObject({ inbound: 'received' });
  });

  it('is denied when the peer says that it cannot decrypt what comes', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    expect(said(known, 4_000, 6, { undecryptable: 2 })).toMatchObject({ outbound: 'arrived' });
    const broken = said(known, 4_000, 6, { undecryptable: 3 });
    expect(broken).toMatchObject({ outbound: 'undecryptable' });
    expect(said(broken, 6_000, 7)).toMatchObject({ outbound: 'arrived' });
  });
});
