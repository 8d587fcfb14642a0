import type { Bench, BenchResult } from './bench.ts';
import {
  ECHOES,
  type EspReadings,
  type EspRun,
  installers,
  STREAM_BYTES,
  type Traffic,
  traffics,
} from './esp-scenario.ts';
import { readInLab } from './in-lab.ts';
import { median, medianInterval } from './measure.ts';

/** Whether the kernel encrypts as fast with SAs of ours as with those of others. */
export const espBench: Bench = {
  name: 'esp',
  summary: 'ESP through SAs that the agent has installed, beside SAs that strongSwan has installed in the same kernel',
  run: async (extent, progress) => {
    const readings = await readInLab<EspReadings>(
      {
        file: new URL('./esp-scenario.ts', import.meta.url),
        name: `esp-${extent}`,
        newerKernel: true,
        memoryMib: 1_024,
        timeoutMs: 3_600_000,
      },
      progress,
    );
    return traffics.map((traffic) => espResult(traffic, readings));
  },
};

/**
 * What came out for one kind of traffic. Ratios are of the two runs of a round, which had the same machine for a second
 * each; ours is the dividend for throughput and the divisor for cost, so that more is better for us.
 */
export function espResult(traffic: Traffic, { kernel, sa, rounds }: EspReadings): BenchResult {
  const runs = rounds.map((round) => round[traffic]);
  const { rate, cost } = MEASURES[traffic];
  const figures: Record<string, number> = {};
  for (const installer of installers) {
    figures[`${installer}${rate.name}`] = median(runs.map((run) => rate.of(run[installer])));
    figures[`${installer}${cost.name}`] = median(runs.map((run) => cost.of(run[installer])));
  }
  Object.assign(
    figures,
    ratioFigures(
      'throughputRatio',
      runs.map(({ ikemesh, strongswan }) => rate.of(ikemesh) / rate.of(strongswan)),
    ),
    ratioFigures(
      'cpuRatio',
      runs.map(({ ikemesh, strongswan }) => cost.of(strongswan) / cost.of(ikemesh)),
    ),
  );
  return {
    bench: 'esp',
    parameters: { traffic, rounds: rounds.length, kernel, sa },
    figures,
    targets: ['throughputRatio', 'cpuRatio'].map((figure) => ({ figure, bound: 'atLeast', limit: LEAST_RATIO })),
  };
}

function ratioFigures(name: string, ratios: readonly number[]): Readonly<Record<string, number>> {
  const [low, high] = medianInterval(ratios);
  return { [name]: median(ratios), [`${name}Low`]: low, [`${name}High`]: high };
}

interface Measure {
  /** What the figure is called, behind whose it is. */
  readonly name: string;
  of(run: EspRun): number;
}

const MEASURES: Readonly<Record<Traffic, { readonly rate: Measure; readonly cost: Measure }>> = {
  stream: {
    rate: { name: 'BytesPerSecond', of: ({ seconds }) => STREAM_BYTES / seconds },
    cost: { name: 'CpuSecondsPerGigabyte', of: ({ cpuSeconds }) => (cpuSeconds / STREAM_BYTES) * 1e9 },
  },
  echoes: {
    rate: { name: 'EchoesPerSecond', of: ({ seconds }) => ECHOES / seconds },
    cost: { name: 'CpuMicrosecondsPerEcho', of: ({ cpuSeconds }) => (cpuSeconds / ECHOES) * 1e6 },
  },
};
const LEAST_RATIO = 0.99;
