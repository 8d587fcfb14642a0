import { describe, expect, it } from 'vitest';

import type { KernelSnapshot } from '../dataplane/types.ts';
import { err, ok } from '../result.ts';
import { KernelWatch } from './kernel-watch.ts';

/** How long a watch waits after each look at a kernel with so many SAs; undefined: it does not answer. */
function waits(...sas: readonly (number | undefined)[]) {
  const delays: number[] = [];
  const surveys: number[] = [];
  let due: (() => void) | undefined;
  const left = [...sas];
  const watch = new KernelWatch({
    timers: {
      after: (delayMs, callback) => {
        delays.push(delayMs);
        due = callback;
        return () => {
          due = undefined;
        };
      },
    },
    dataplane: {
      dump: () => {
        const length = left.shift();
        if (length === undefined) {
          return err({ kind: 'dataplaneError', command: 'dump', object: 'SAs', errno: 'EINTR', message: '' });
        }
        return ok({ sas: Array.from({ length }), policies: [] } as unknown as KernelSnapshot);
      },
    },
    onSurvey: (snapshot) => surveys.push(snapshot.sas.length),
  });
  watch.start();
  while (left.length > 0) due?.();
  watch.stop();
  expect(due).toBeUndefined();
  return { delays, surveys };
}

describe('the watch of the kernel', () => {
  it('looks every two seconds, and the rarer the more there is', () => {
    expect(waits(4, 1_999, 5_000, 1_000_000).delays).toEqual([2_000, 2_000, 2_000, 5_000, 30_000]);
  });

  it('goes on where the kernel has not answered', () => {
    expect(waits(4, undefined, 6)).toEqual({ delays: [2_000, 2_000, 2_000, 2_000], surveys: [4, 6] });
  });
});
