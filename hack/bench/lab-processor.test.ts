import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { answersClock, busySecondsOf, descendantSeconds } from './lab-processor.ts';

describe('processor time of a lab', () => {
  it('is what all processors did, without idling, waiting for disks and what was given to guests', () => {
    const text = 'cpu  1000 20 300 99999 7777 4 50 8888 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n';
    expect(busySecondsOf(text)).toBeCloseTo(13.74);
  });

  it('counts processes that have ended, those that other ones had started among them', () => {
    const before = descendantSeconds(process.pid);
    spawnSync('sh', ['-c', 'sh -c "i=0; while [ \\$i -lt 200000 ]; do i=\\$((i+1)); done"; true']);
    expect(descendantSeconds(process.pid) - before).toBeGreaterThan(0.02);
  });

  it('is what the host answers, and other lines are none of its business', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lab-processor-'));
    expect(answersClock('round 1 of 2', folder)).toBe(false);
    expect(answersClock('clock 7', folder)).toBe(true);
    expect(Number(readFileSync(join(folder, 'clock-7'), 'utf8'))).toBeGreaterThanOrEqual(0);
    rmSync(folder, { recursive: true });
  });
});
