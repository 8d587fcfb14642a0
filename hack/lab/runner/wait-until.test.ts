import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { tellingWaits, waitUntil } from './wait-until.ts';

describe('what is waited for', () => {
  const late = async (what: string, say?: (line: string) => void) => {
    const begun = performance.now();
    await waitUntil(what, () => performance.now() - begun > 1_200, say === undefined ? {} : { say });
  };

  it('is told to whom the work around it names, each work to its own', async () => {
    const heard: Record<'one' | 'other', string[]> = { one: [], other: [] };
    await Promise.all([
      tellingWaits(
        (line) => heard.one.push(line),
        () => late('rain'),
      ),
      tellingWaits(
        (line) => heard.other.push(line),
        () => delay(10).then(() => late('sun')),
      ),
    ]);
    expect(heard).toEqual({
      one: ['waiting for rain (at most 20 s)'],
      other: ['waiting for sun (at most 20 s)'],
    });
  });

  it('is told to whom the wait itself names, rather', async () => {
    const heard: string[] = [];
    const around: string[] = [];
    await tellingWaits(
      (line) => around.push(line),
      () => late('snow', (line) => heard.push(line)),
    );
    expect(heard).toHaveLength(1);
    expect(around).toEqual([]);
  });
});
