import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

import { type MemoryReadings, memoryResult } from './memory.ts';

describe('memory bench', () => {
  it('divides what was added by the number of ends', () => {
    const reading = (heapBytes: number, externalBytes: number, rssBytes: number) => ({
      heapBytes,
      externalBytes,
      rssBytes,
    });
    const readings: MemoryReadings = {
      empty: reading(1_000, 100, 10_000),
      configured: reading(3_000, 100, 12_000),
      established: reading(7_000, 500, 18_000),
    };
    expect(memoryResult(2, readings).figures).toEqual({
      bytesPerIkeSa: 1_600,
      heapBytesPerIkeSa: 1_500,
      externalBytesPerIkeSa: 100,
      rssBytesPerIkeSa: 2_000,
      heapBytesPerConnection: 500,
    });
  });

  it('reads a process in which IKE SAs are established, with all of them alive at the end', () => {
    const program = new URL('./memory-process.ts', import.meta.url).pathname;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', program, '50'], { encoding: 'utf8' });
    const { empty, configured, established } = JSON.parse(stdout) as MemoryReadings;
    expect(configured.heapBytes).toBeGreaterThan(empty.heapBytes);
    expect(established.heapBytes).toBeGreaterThan(configured.heapBytes);
  });
});
