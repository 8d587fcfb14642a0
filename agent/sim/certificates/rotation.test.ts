import { describe, expect, it } from 'vitest';

import { RandomStream } from '../random-stream.ts';
import { VirtualClock } from '../virtual-clock.ts';
import { Rotation } from './rotation.ts';

const NODES = 5;

describe('authorities that follow one another', () => {
  it('leave no node with a certificate of the one that nobody trusts any more, in whatever order the same moment has', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const clock = new VirtualClock(new RandomStream(seed, 'ties'));
      const rotation = new Rotation({
        plan: { lifetimeMs: 3_600_000, backdatedMs: 300_000, slowestVerificationMs: 20 },
        nodes: NODES,
        clock,
        random: new RandomStream(seed, 'rotation'),
        wallMs: () => clock.wallMs(),
        changed: () => {},
        note: () => {},
      });
      // So short that every node is renewed when the new authority begins.
      rotation.roll(2);
      while (clock.step(60_000));
      const generations = Array.from({ length: NODES }, (_, node) => rotation.currentOf(node).certificate.generation);
      expect(generations, `seed ${seed}`).toEqual(Array(NODES).fill(1));
    }
  });
});
