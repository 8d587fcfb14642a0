import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type Outcome, WorkQueue } from './work-queue.ts';

describe('the work queue', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const backoff = { leastMs: 1_000, mostMs: 60_000 };
  const queueOf = (work: (key: string) => Promise<Outcome>, concurrency = 4) =>
    new WorkQueue({ work, concurrency, backoff });

  it('lets a key that fails wait longer each time, and hold up no other', async () => {
    const done: string[] = [];
    const queue = queueOf(async (key) => {
      done.push(key);
      return key === 'bad' ? { kind: 'retry' } : { kind: 'done' };
    });
    queue.add('bad');
    queue.add('good');
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(['bad', 'good']);
    await vi.advanceTimersByTimeAsync(60_000);
    // After 1, 3, 7, 15, 31 s at the latest, a third earlier at the soonest.
    expect(done.filter((key) => key === 'bad').length).toBeGreaterThanOrEqual(6);
    expect(done.filter((key) => key === 'bad').length).toBeLessThanOrEqual(8);
    expect(done.filter((key) => key === 'good')).toHaveLength(1);
  });

  it('counts as its backlog what is due or has failed, and not what was told to wait', async () => {
    const queue = queueOf(async () => ({ kind: 'retry' }));
    queue.add('status', 30_000);
    expect(queue.backlog).toBe(0);
    queue.add('refused');
    expect(queue.backlog).toBe(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(queue.backlog).toBe(1);
    await queue.stop();
  });

  it('never works on a key twice at a time, and once more when it was added meanwhile', async () => {
    const begun: string[] = [];
    let finish = () => {};
    const queue = queueOf((key) => {
      begun.push(key);
      return new Promise<Outcome>((resolve) => {
        finish = () => resolve({ kind: 'done' });
      });
    });
    queue.add('a');
    await vi.advanceTimersByTimeAsync(0);
    queue.add('a');
    queue.add('a');
    await vi.advanceTimersByTimeAsync(0);
    expect(begun).toEqual(['a']);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(begun).toEqual(['a', 'a']);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(queue.length).toBe(0);
  });

  it('keeps the earlier of two times, so that what changes all the time is done all the same', async () => {
    const done: number[] = [];
    const queue = queueOf(async () => {
      done.push(performance.now());
      return { kind: 'done' };
    });
    const begun = performance.now();
    queue.add('status', 5_000);
    for (let second = 1; second < 5; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      queue.add('status', 5_000);
    }
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done.map((at) => at - begun)).toEqual([5_000]);
  });

  it('leaves a server alone for as long as it wants to be', async () => {
    let worked = 0;
    const queue = queueOf(async () => {
      worked += 1;
      return { kind: 'retry', retryAfterMs: 30_000 };
    });
    queue.add('a');
    await vi.advanceTimersByTimeAsync(29_000);
    expect(worked).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(worked).toBe(2);
  });

  it('has no more at a time than it may', async () => {
    let busy = 0;
    let most = 0;
    const queue = queueOf(async () => {
      busy += 1;
      most = Math.max(most, busy);
      await new Promise((resolve) => setTimeout(resolve, 10));
      busy -= 1;
      return { kind: 'done' };
    }, 3);
    for (let key = 0; key < 20; key += 1) queue.add(String(key));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(most).toBe(3);
    expect(queue.length).toBe(0);
  });

  it('that is stopped waits for what was begun, and begins nothing', async () => {
    const begun: string[] = [];
    let ended = false;
    const queue = queueOf(async (key) => {
      begun.push(key);
      await new Promise((resolve) => setTimeout(resolve, 100));
      ended = true;
      return { kind: 'retry' };
    }, 1);
    queue.add('a');
    queue.add('b');
    await vi.advanceTimersByTimeAsync(0);
    const stopped = queue.stop();
    await vi.advanceTimersByTimeAsync(100);
    await stopped;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ended, begun]).toEqual([true, ['a']]);
  });
});
