import { describe, expect, it } from 'vitest';

import { type Arrival, counted, fails, reported, unknownArrival } from './arrival.ts';

const ENOUGH = 3;

/** What is known after our kernel has counted so many packets, every two seconds. */
function counting(...counts: readonly (readonly [sent: number, received: number, undecryptable?: number])[]): Arrival {
  return counts.reduce<Arrival>((known, [sent, received, undecryptable = 0], index) => {
    return counted(known, 2_000 * (index + 1), { sent, received, undecryptable }, ENOUGH);
  }, unknownArrival(0));
}

/** What is known after the peer has said so in answer to a question of that time. */
function said(known: Arrival, at: number, packets: number, undecryptable = 0, ageMs = 0): Arrival {
  return reported(known, at, at, { packets, undecryptable, ageMs }, ENOUGH);
}

describe('whether packets of a pair arrive', () => {
  it('is not claimed before any was sent, nor before the peer has counted one', () => {
    expect(counting([0, 0])).toMatchObject({ inbound: 'unused', outbound: 'unused' });
    expect(counting([5, 0])).toMatchObject({ inbound: 'unused', outbound: 'unconfirmed' });
    expect(said(counting([5, 0]), 2_100, 5)).toMatchObject({ outbound: 'arrived' });
  });

  it('is denied when the peer counts none of what was sent a while before it looked', () => {
    const known = said(counting([5, 5], [9, 9]), 4_100, 9);
    const sending = counted(known, 6_000, { sent: 15, received: 9, undecryptable: 0 }, ENOUGH);
    expect(said(sending, 6_200, 9)).toMatchObject({ outbound: 'arrived' });
    expect(said(sending, 8_000, 9, 0, 1_800)).toMatchObject({ outbound: 'arrived' });
    const lost = said(sending, 8_000, 9, 0, 1_000);
    expect(lost).toMatchObject({ outbound: 'lost' });
    expect(fails(lost)).toBe(true);
    expect(fails(said(lost, 10_000, 10))).toBe(false);
  });

  it('is not denied where the peer had counted all of them before our own kernel was asked, and no more are sent', () => {
    const known = said(counting([0, 0]), 2_500, 5);
    expect(known).toMatchObject({ outbound: 'arrived' });
    const sent = counted(known, 4_000, { sent: 5, received: 5, undecryptable: 0 }, ENOUGH);
    expect(said(sent, 9_000, 5)).toMatchObject({ outbound: 'arrived' });
    const again = counted(said(sent, 9_000, 11), 10_000, { sent: 11, received: 11, undecryptable: 0 }, ENOUGH);
    expect(said(again, 15_000, 11)).toMatchObject({ outbound: 'arrived' });
    const more = counted(again, 16_000, { sent: 14, received: 11, undecryptable: 0 }, ENOUGH);
    expect(said(more, 18_000, 11)).toMatchObject({ outbound: 'lost' });
  });

  it('is not denied by what the peer may have counted long before it came here', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    const sending = counted(known, 4_000, { sent: 15, received: 5, undecryptable: 0 }, ENOUGH);
    const none = { packets: 5, undecryptable: 0, ageMs: 0 };
    // Asked before they were sent, answered, and the answer lost and sent again.
    expect(reported(sending, 9_000, 3_900, none, ENOUGH)).toMatchObject({ outbound: 'arrived' });
    // In a question of the peer's.
    expect(reported(sending, 9_000, undefined, none, ENOUGH)).toMatchObject({ outbound: 'arrived' });
    expect(reported(sending, 9_000, 5_000, none, ENOUGH)).toMatchObject({ outbound: 'lost' });
  });

  it('is not denied for one packet or two, which any path may lose', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    const sending = counted(known, 4_000, { sent: 7, received: 5, undecryptable: 0 }, ENOUGH);
    expect(said(sending, 9_000, 5)).toMatchObject({ outbound: 'arrived' });
  });

  it('is denied when only such come as our keys did not make, until a good one comes', () => {
    const broken = counting([0, 5, 0], [0, 5, 2], [0, 5, 3]);
    expect(broken).toMatchObject({ inbound: 'undecryptable' });
    expect(counted(broken, 8_000, { sent: 0, received: 6, undecryptable: 9 }, ENOUGH)).toMatchObject({
      inbound: 'received',
    });
    // A stranger who sends such between good ones denies nothing.
    expect(counting([0, 5, 0], [0, 6, 100], [0, 7, 200])).toMatchObject({ inbound: 'received' });
  });

  it('is denied when the peer says that it cannot decrypt what comes', () => {
    const known = said(counting([5, 5]), 2_100, 5);
    expect(said(known, 4_000, 6, 2)).toMatchObject({ outbound: 'arrived' });
    expect(said(known, 4_000, 6, 3)).toMatchObject({ outbound: 'undecryptable' });
    expect(said(said(known, 4_000, 6, 3), 6_000, 7)).toMatchObject({ outbound: 'arrived' });
  });
});
