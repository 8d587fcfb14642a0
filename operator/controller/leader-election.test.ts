import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { LeaderElection, type LeaseRecord, type LeaseStore } from './leader-election.ts';

describe('leader election', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A server with one lease, which may be away for some of the candidates. */
  const server = () => {
    const state = { record: undefined as LeaseRecord | undefined, version: 0, away: new Set<string>() };
    const storeOf = (name: string): LeaseStore => ({
      async read() {
        if (state.away.has(name)) return { failure: 'no answer' };
        return state.record === undefined
          ? 'missing'
          : { record: state.record, resourceVersion: String(state.version) };
      },
      async write(record, resourceVersion) {
        if (state.away.has(name)) return 'no answer';
        if ((resourceVersion ?? '0') !== String(state.version)) return 'Conflict';
        state.record = record;
        state.version += 1;
        return undefined;
      },
    });
    const candidate = (name: string) => {
      const election = new LeaderElection(name, storeOf(name), () => undefined);
      const lost = { at: undefined as number | undefined };
      void election.acquire(new AbortController().signal).then((signal) =>
        signal?.addEventListener('abort', () => {
          lost.at = performance.now();
        }),
      );
      return { election, lost };
    };
    return { state, candidate };
  };

  it('has one leader of three, whose lease lasts while it is renewed', async () => {
    const { candidate } = server();
    const all = ['a', 'b', 'c'].map((name) => candidate(name).election);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(all.map(({ leads }) => leads)).toEqual([true, false, false]);
  });

  it('never has two: a leader that cannot renew stops before another may begin', async () => {
    const { state, candidate } = server();
    const first = candidate('a');
    await vi.advanceTimersByTimeAsync(5_000);
    const second = candidate('b');
    await vi.advanceTimersByTimeAsync(5_000);
    state.away.add('a');
    const away = performance.now();
    while (!second.election.leads) {
      await vi.advanceTimersByTimeAsync(100);
      expect(first.election.leads && second.election.leads).toBe(false);
      expect(performance.now() - away).toBeLessThan(15_000);
    }
    expect(first.lost.at).toBeLessThan(performance.now());
    expect(performance.now() - away).toBeGreaterThan(7_000);
  });

  it('is not fooled by the clock of another: only a lease that does not change ends', async () => {
    const { state, candidate } = server();
    const long = { durationSeconds: 10, acquiredAt: '1970-01-01T00:00:00Z', transitions: 0 };
    state.record = { ...long, holder: 'x', renewedAt: '1970-01-01T00:00:00Z' };
    const { election } = candidate('a');
    for (let second = 0; second < 30; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      if (second % 5 === 0) state.record = { ...long, holder: 'x', renewedAt: `1970-01-01T00:00:${second + 10}Z` };
    }
    expect(election.leads).toBe(false);
    await vi.advanceTimersByTimeAsync(13_000);
    expect(election.leads).toBe(true);
    expect(state.record?.transitions).toBe(1);
  });

  it('gives a lease back, so that another need not wait', async () => {
    const { candidate } = server();
    const first = candidate('a').election;
    await vi.advanceTimersByTimeAsync(1_000);
    const second = candidate('b').election;
    await vi.advanceTimersByTimeAsync(1_000);
    const released = first.release();
    await vi.advanceTimersByTimeAsync(3_000);
    await released;
    expect([first.leads, second.leads]).toEqual([false, true]);
  });
});
