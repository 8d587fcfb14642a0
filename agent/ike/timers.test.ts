import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type Timed, Timers } from './timers.ts';

interface Owner extends Timed {
  readonly name: string;
}

function owner(name = 'owner'): Owner {
  return { name, timerAt: undefined };
}

/** Nothing has moved since. */
function asSet({ timerAt }: Owner): number | undefined {
  return timerAt;
}

describe('timers', () => {
  it('call the earliest first, each owner once', () => {
    const timers = new Timers<Owner>(asSet);
    const owners = [30, 10, 20].map((at) => [at, owner(`${at}`)] as const);
    for (const [at, each] of owners) timers.set(each, at);
    expect(timers.next()).toBe(10);
    expect([timers.take(100)?.name, timers.take(100)?.name, timers.take(100)?.name]).toEqual(['10', '20', '30']);
    expect(timers.take(100)).toBeUndefined();
    expect(timers.next()).toBeUndefined();
  });

  it('call nobody before the time', () => {
    const timers = new Timers<Owner>(asSet);
    timers.set(owner(), 10);
    expect(timers.take(9)).toBeUndefined();
    expect(timers.take(10)).toBeDefined();
  });

  it('keep the earlier of two deadlines of one owner', () => {
    const timers = new Timers<Owner>(asSet);
    const one = owner();
    timers.set(one, 20);
    timers.set(one, 10);
    timers.set(one, 30);
    expect(timers.next()).toBe(10);
    expect(timers.take(10)).toBe(one);
    expect(timers.next()).toBeUndefined();
  });

  it('call nobody for a deadline that has moved later meanwhile, or is gone, but at the time that counts now', () => {
    const due = new Map<Owner, number>();
    const timers = new Timers<Owner>((each) => due.get(each));
    const [later, gone, other] = [owner('later'), owner('gone'), owner('other')];
    for (const [each, at] of [
      [later, 10],
      [gone, 11],
      [other, 12],
    ] as const) {
      due.set(each, at);
      timers.set(each, at);
    }
    due.set(later, 30);
    due.delete(gone);
    expect([timers.next(), timers.take(11)]).toEqual([12, undefined]);
    expect(timers.take(20)).toBe(other);
    expect([timers.next(), timers.take(29), timers.take(30)]).toEqual([30, undefined, later]);
    expect(timers.next()).toBeUndefined();
  });

  it('forget an owner whose `timerAt` was cleared', () => {
    const timers = new Timers<Owner>(asSet);
    const one = owner();
    timers.set(one, 10);
    one.timerAt = undefined;
    expect(timers.next()).toBeUndefined();
    expect(timers.take(100)).toBeUndefined();
  });

  it('whatever is set in whatever order, come in the order of time and none is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 50 })), { maxLength: 60 }), (settings) => {
        const timers = new Timers<Owner>(asSet);
        const owners = Array.from({ length: 21 }, (_, index) => owner(`${index}`));
        const expected = new Map<string, number>();
        for (const [index, at] of settings) {
          const each = owners[index] as Owner;
          timers.set(each, at);
          expected.set(each.name, Math.min(at, expected.get(each.name) ?? at));
        }
        const called: number[] = [];
        for (let taken = timers.take(50); taken !== undefined; taken = timers.take(50)) {
          called.push(expected.get(taken.name) ?? -1);
          expected.delete(taken.name);
        }
        expect(expected.size).toBe(0);
        expect(called).toEqual([...called].sort((left, right) => left - right));
      }),
    );
  });
});
