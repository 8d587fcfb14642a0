import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

import { verdict } from './bench.ts';
import { cookieResult, type FloodReadings } from './cookie.ts';

describe('cookie bench', () => {
  it('gives time per datagram and tells a flood whose cost grows from one whose cost does not', () => {
    const memory = { heapBytes: 1_000, externalBytes: 0, rssBytes: 0 };
    const readings = (cpuSeconds: (tenth: number) => number): FloodReadings => ({
      pairs: 5,
      packetBytes: 200,
      before: memory,
      tenths: Array.from({ length: 10 }, (_, tenth) => ({
        cpuSeconds: cpuSeconds(tenth),
        memory: { ...memory, heapBytes: 1_000 + 10 * tenth },
        halfOpen: 7,
      })),
      bytesIn: 200_000,
      bytesOut: 50_000,
      established: 5,
      livenessChecks: 10,
      repetitions: 0,
      ended: 0,
    });
    const flat = cookieResult(
      1_000,
      readings(() => 0.001),
    );
    expect(flat.figures).toMatchObject({
      cpuMicrosecondsPerPacket: 10,
      packetsPerCpuSecond: 100_000,
      secondHalfToFirstHalf: 1,
      mostBytesKept: 90,
      mostHalfOpen: 7,
      bytesOutPerByteIn: 0.25,
    });
    expect(flat.targets.map((target) => verdict(flat, target))).toEqual(flat.targets.map(() => 'met'));
    const growing = cookieResult(
      1_000,
      readings((tenth) => 0.001 * (1 + tenth)),
    );
    expect(growing.targets.filter((target) => verdict(growing, target) === 'missed')).toMatchObject([
      { figure: 'secondHalfToFirstHalf' },
    ]);
  });

  it('floods a process whose IKE SAs all go on, and which keeps no more half-open ones than when cookies begin', () => {
    const program = new URL('./cookie-process.ts', import.meta.url).pathname;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', program, '1000'], { encoding: 'utf8' });
    const readings = JSON.parse(stdout) as FloodReadings;
    expect(readings).toMatchObject({ established: readings.pairs, repetitions: 0, ended: 0 });
    expect(readings.bytesOut).toBeLessThan(readings.bytesIn);
    expect(Math.max(...readings.tenths.map(({ halfOpen }) => halfOpen))).toBeLessThanOrEqual(256);
  });
});
