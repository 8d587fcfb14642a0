import { describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../limits.ts';
import { Star } from '../testing/star.ts';

const PEERS = 300;
const EVERYBODY = Array.from({ length: PEERS }, (_, number) => number);

/** How many initial exchanges were begun by then and not yet asked for twice. */
function startsWithin(star: Star, fromMs: number, toMs: number): number {
  return new Set(star.begun.filter(({ at }) => at >= fromMs && at < toMs).map(({ peer }) => peer)).size;
}

describe('a node with hundreds of peers', () => {
  it('comes up with all of them within a second or so, each called once', () => {
    const star = new Star(PEERS).advance(1_000);
    expect(star.established()).toEqual(EVERYBODY);
    expect(star.begun.map(({ peer }) => peer).toSorted((a, b) => a - b)).toEqual(EVERYBODY);
  });

  it('calls them in an order left to chance, so that nodes which start together do not all call the same one', () => {
    const { begun } = new Star(PEERS).advance(1_000);
    const inOrder = begun.filter(({ peer }, index) => index > 0 && peer > (begun[index - 1]?.peer ?? 0)).length;
    expect(inOrder).toBeGreaterThan(PEERS / 3);
    expect(inOrder).toBeLessThan((2 * PEERS) / 3);
  });

  it('has only so many exchanges under way that answers which come together do not hold up anything else', () => {
    const star = new Star(PEERS);
    for (const peer of EVERYBODY) star.silent.add(peer);
    star.advance(900);
    expect(startsWithin(star, 0, star.at)).toBe(DEFAULT_LIMITS.attemptsUnderWay);
  });

  it('does not wait for those that are silent: the others come up although most are', () => {
    const star = new Star(PEERS);
    for (const peer of EVERYBODY.slice(0, 250)) star.silent.add(peer);
    star.advance(10_000);
    expect(star.established()).toEqual(EVERYBODY.slice(250));
  });

  it('calls first where traffic waits', () => {
    const star = new Star(PEERS);
    for (const peer of EVERYBODY) star.silent.add(peer);
    star.advance(900);
    const waiting = EVERYBODY.findLast((peer) => !star.begun.some((each) => each.peer === peer)) ?? 0;
    star.silent.delete(waiting);
    expect(star.send(waiting)).toBe(false);
    star.advance(300);
    expect(star.established()).toEqual([waiting]);
  });

  it('calls at once where somebody says so', () => {
    const star = new Star(PEERS);
    for (const peer of EVERYBODY) star.silent.add(peer);
    star.advance(900);
    const waiting = EVERYBODY.findLast((peer) => !star.begun.some((each) => each.peer === peer)) ?? 0;
    star.silent.delete(waiting);
    star.command({ kind: 'initiate', name: `peer-${waiting}` });
    expect(star.established()).toEqual([waiting]);
  });

  it('forgets who was in line when the configuration does', () => {
    const star = new Star(PEERS);
    for (const peer of EVERYBODY) star.silent.add(peer);
    star.advance(900);
    const called = new Set(star.begun.map(({ peer }) => peer));
    for (const peer of EVERYBODY) {
      if (!called.has(peer)) star.command({ kind: 'removeConnection', name: `peer-${peer}` });
    }
    star.silent.clear();
    star.advance(60_000);
    expect(star.established()).toEqual([...called].toSorted((a, b) => a - b));
    expect(new Set(star.begun.map(({ peer }) => peer))).toEqual(called);
  });

  it('negotiates on demand with those alone that it sends something to', () => {
    const star = new Star(PEERS, { initiation: 'onDemand' }).advance(5_000);
    expect([star.established(), star.begun]).toEqual([[], []]);
    expect([7, 123].map((peer) => star.send(peer))).toEqual([false, false]);
    expect(star.established()).toEqual([7, 123]);
    expect([7, 123].map((peer) => star.send(peer))).toEqual([true, true]);
    expect(star.begun).toHaveLength(2);
  });
});
