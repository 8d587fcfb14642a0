import { describe, expect, it } from 'vitest';

import { TestWorld } from './testing/agents.ts';
import { ValidityWatch } from './validity-watch.ts';

function watching() {
  const world = new TestWorld();
  let offsetMs = 0;
  let told = 0;
  const watch = new ValidityWatch({
    clock: { wallMs: () => world.clock.wallMs() + offsetMs },
    timers: world.timers,
    onValid: () => {
      told += 1;
    },
  });
  const set = (ms: number): void => {
    offsetMs = ms;
  };
  return { world, watch, set, told: () => told };
}

describe('a certificate that is not valid yet', () => {
  it('is read again when it becomes valid, and once', () => {
    const { world, watch, told } = watching();
    watch.await(world.clock.wallMs() + 3_600_000);
    world.pass(3_599_000);
    expect(told()).toBe(0);
    world.pass(2_000);
    expect(told()).toBe(1);
    world.pass(7_200_000);
    expect(told()).toBe(1);
  });

  it('is read again soon after a clock that was behind is set right', () => {
    const { world, watch, set, told } = watching();
    watch.await(world.clock.wallMs() + 86_400_000);
    world.pass(60_000);
    set(86_400_000);
    world.pass(10_000);
    expect(told()).toBe(1);
  });

  it('is not waited for any more where another one is in its place', () => {
    const { world, watch, told } = watching();
    watch.await(world.clock.wallMs() + 60_000);
    watch.await(undefined);
    world.pass(120_000);
    expect(told()).toBe(0);
  });
});
