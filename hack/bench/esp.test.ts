import { describe, expect, it } from 'vitest';

import { verdict } from './bench.ts';
import { espResult } from './esp.ts';
import type { EspRun } from './esp-scenario.ts';

/** Rounds on a machine that gets slower by half, in which ours take so many times as long. */
function rounds(factor: number, count = 10) {
  return Array.from({ length: count }, (_, round) => {
    const run = (times: number): EspRun => {
      const seconds = (1 + (round / count) * 0.5) * times;
      return { seconds, cpuSeconds: seconds / 2 };
    };
    const both = { ikemesh: run(factor), strongswan: run(1) };
    return { stream: both, echoes: both };
  });
}

const result = (factor: number) => espResult('stream', { kernel: '6.12', sa: 'aes', rounds: rounds(factor) });

describe('ESP bench', () => {
  it('compares the two runs of each round, however much the machine changes between rounds', () => {
    const { figures } = result(1.25);
    expect(figures['throughputRatio']).toBeCloseTo(0.8);
    expect(figures['throughputRatioLow']).toBeCloseTo(0.8);
    expect(figures['throughputRatioHigh']).toBeCloseTo(0.8);
    expect(figures['cpuRatio']).toBeCloseTo(0.8);
  });

  it('asks for a hundredth at most less than strongSwan’s, of throughput and of processor time', () => {
    const verdicts = (factor: number) => result(factor).targets.map((target) => verdict(result(factor), target));
    expect(verdicts(1.005)).toEqual(['met', 'met']);
    expect(verdicts(1.02)).toEqual(['missed', 'missed']);
  });

  it('gives figures of whole seconds and gigabytes', () => {
    const { figures } = espResult('stream', { kernel: '6.12', sa: 'aes', rounds: rounds(1, 11) });
    expect(figures['strongswanBytesPerSecond']).toBeCloseTo(8_000_000 / (1 + (5 / 11) * 0.5));
    expect(figures['strongswanCpuSecondsPerGigabyte']).toBeCloseTo(((1 + (5 / 11) * 0.5) / 2) * 125);
  });
});
