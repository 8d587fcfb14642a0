import { describe, expect, it } from 'vitest';

import { type Done, runPooled } from './worker-pool.ts';

describe('a pool of threads', () => {
  it('tells results in the order of tasks, although the first is done last', async () => {
    const doneTasks = new SharedArrayBuffer(4);
    const work = `
      const done = new Int32Array(workerData);
      perform((task) => {
        if (task === 1) while (Atomics.load(done, 0) < 3) Atomics.wait(done, 0, Atomics.load(done, 0), 10);
        Atomics.add(done, 0, 1);
        Atomics.notify(done, 0);
        return task * 10;
      });`;
    const told = await pooled(work, { tasks: [1, 2, 3, 4], data: doneTasks });
    expect(told).toEqual([1, 2, 3, 4].map((task) => [task, { kind: 'result', result: task * 10 }]));
  });

  it('tells of a thread that crashed, and has another one do the rest', async () => {
    const work = `perform((task) => { if (task === 2) throw new RangeError('no such seed'); return task; });`;
    const told = await pooled(work, { tasks: [1, 2, 3], workers: 1 });
    expect(told.map(([task, { kind }]) => [task, kind])).toEqual([
      [1, 'result'],
      [2, 'crashed'],
      [3, 'result'],
    ]);
    expect(told[1]?.[1]).toMatchObject({ reason: expect.stringContaining('no such seed') });
  });

  it('tells of a thread that ends without a word', async () => {
    const told = await pooled(`perform(() => process.exit(0));`, { tasks: [7] });
    expect(told).toEqual([[7, { kind: 'crashed', reason: 'the thread ended by itself' }]]);
  });

  it('gives up a task that never ends', async () => {
    const told = await pooled(`perform(() => { for (;;); });`, { tasks: [1], limitMs: 20 });
    expect(told).toEqual([[1, { kind: 'crashed', reason: 'no end within 0.02 s' }]]);
  });

  it('begins no task once it is told to end, and tells of those that were done', async () => {
    const abort = new AbortController();
    const told: number[] = [];
    const tasks = [1, 2, 3, 4, 5];
    const onDone = (task: number): void => {
      told.push(task);
      if (task === 2) abort.abort();
    };
    await runPooled({ ...settings(`perform((task) => task);`, { workers: 1 }), tasks, signal: abort.signal, onDone });
    expect(told).toEqual([1, 2]);
  });
});

interface Given {
  readonly tasks?: readonly number[];
  readonly data?: unknown;
  readonly workers?: number;
  readonly limitMs?: number;
}

/** What a pool tells of tasks that a script performs. */
async function pooled(script: string, given: Given): Promise<readonly (readonly [number, Done<number>])[]> {
  const told: (readonly [number, Done<number>])[] = [];
  const onDone = (task: number, done: Done<number>): void => void told.push([task, done]);
  await runPooled({ ...settings(script, given), onDone });
  return told;
}

function settings(script: string, { tasks = [], data, workers = 2, limitMs = 60_000 }: Given) {
  const answering = `
    import { parentPort, workerData } from 'node:worker_threads';
    const perform = (work) => parentPort.on('message', (task) => parentPort.postMessage(work(task)));`;
  const module = new URL(`data:text/javascript,${encodeURIComponent(answering + script)}`);
  return { module, data, workers, limitMs, tasks, signal: new AbortController().signal };
}
