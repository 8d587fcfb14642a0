import { ADOPTED_PEERS, type AdoptionReadings } from './adoption-scenario.ts';
import type { Bench, BenchResult } from './bench.ts';
import { readInLab } from './in-lab.ts';

/** How long it takes an agent to take over what an earlier one has left, and to show all peers a new certificate. */
export const adoptionBench: Bench = {
  name: 'adoption',
  summary: 'from the start of an agent until it has adopted everything, and from a renewed certificate to new SAs',
  run: async (_extent, progress) => {
    const results: BenchResult[] = [];
    for (const peers of ADOPTED_PEERS) {
      const readings = await readInLab<AdoptionReadings>(
        {
          file: new URL('./adoption-scenario.ts', import.meta.url),
          name: `adoption-${peers}`,
          newerKernel: true,
          memoryMib: 1_536,
          timeoutMs: 900_000,
        },
        progress,
      );
      results.push(resultOf(peers, readings));
    }
    return results;
  },
};

function resultOf(peers: number, { kernel, start, renewal }: AdoptionReadings): BenchResult {
  return {
    bench: 'adoption',
    parameters: { peers, kernel },
    figures: {
      startedSeconds: start.started,
      establishedSeconds: start.established,
      adoptedSeconds: start.adopted,
      renewedFirstSeconds: renewal.first,
      renewedSeconds: renewal.established,
      replacedSeconds: renewal.replaced,
    },
    targets: [],
  };
}
