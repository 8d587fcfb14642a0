import { RandomStream } from './random-stream.ts';
import type { Disturbance, PairPlan } from './scenario.ts';

/**
 * Nodes that leave the lists of their peers, and most of which join them again, in half of the seeds. A list reaches each
 * node at a time of its own, so that it is another one at one end for a while; and a node that is gone may keep its own,
 * as one does whose configuration has been deleted. From a stream of its own, so that everything else is as it would be
 * without them.
 */
export function drawDepartures(
  seed: number,
  nodes: number,
  pairs: readonly PairPlan[],
  calmAtMs: number,
): readonly Disturbance[] {
  const random = new RandomStream(seed, 'departures');
  if (random.chance(0.5)) return [];
  return Array.from({ length: random.between(1, 2) }, () => {
    const atMs = random.between(2_000, calmAtMs - 1_000);
    return drawDeparture(random, random.below(nodes), pairs, atMs, calmAtMs);
  }).flat();
}

function drawDeparture(
  random: RandomStream,
  node: number,
  pairs: readonly PairPlan[],
  atMs: number,
  calmAtMs: number,
): readonly Disturbance[] {
  const spreadMs = random.pick([0, 3_000, 30_000] as const);
  const keepsOwn = random.chance(0.5);
  const returnsAfterMs = random.pick([random.below(15_000), random.between(15_000, 90_000), undefined] as const);
  return pairs.flatMap(({ nodes }, pair) =>
    ([0, 1] as const)
      .filter((side) => nodes.includes(node) && !(keepsOwn && nodes[side] === node))
      .map((side): Disturbance => {
        const heardMs = Math.min(atMs + random.between(0, spreadMs), calmAtMs - 1);
        const forMs = returnsAfterMs === undefined ? 'ever' : returnsAfterMs + random.between(0, spreadMs);
        return { kind: 'remove', atMs: heardMs, pair, side, forMs };
      }),
  );
}
