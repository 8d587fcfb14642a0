import { RandomStream } from './random-stream.ts';
import type { Disturbance, PairPlan } from './scenario.ts';
import type { Side } from './topology.ts';

/**
 * Ways that let UDP pass and no ESP, one way or both, in a third of the seeds, some from the beginning, some for ever, and
 * half of them when nothing else goes wrong any more. From a stream of its own, so that everything else is as it would be without them.
 */
export function drawDroppedEsp(seed: number, pairs: readonly PairPlan[], calmAtMs: number): readonly Disturbance[] {
  const random = new RandomStream(seed, 'esp');
  if (random.chance(2 / 3)) return [];
  return Array.from({ length: random.between(1, 2) }, (): Disturbance => {
    const calmly = random.chance(0.5);
    const early = random.chance(0.25) ? 0 : random.between(2_000, calmAtMs - 1_000);
    const atMs = calmly ? calmAtMs + random.between(5_000, 60_000) : early;
    const pair = random.below(pairs.length);
    const from = random.pick(WAYS);
    const forMs = random.chance(0.5) ? 'ever' : random.between(1_000, 60_000);
    return { kind: 'dropEsp', atMs, pair, from, forMs };
  });
}

const WAYS: readonly [readonly Side[], ...(readonly Side[])[]] = [[0], [1], [0, 1]];
