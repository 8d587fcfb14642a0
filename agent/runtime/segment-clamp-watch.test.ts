import { describe, expect, it } from 'vitest';

import type { SegmentClamps, SegmentSizes } from '../ports.ts';
import { err, ok } from '../result.ts';
import { createLog } from './log/logger.ts';
import { SegmentClampWatch } from './segment-clamp-watch.ts';
import { TestWorld } from './testing/agents.ts';

type Sizes = ReadonlyMap<number, SegmentSizes>;

const A: Sizes = new Map([[1, { ipv4: 1_360, ipv6: 1_340 }]]);
const B: Sizes = new Map([[1, { ipv4: 1_200, ipv6: 1_180 }]]);
const NONE: Sizes = new Map();

/** A packet filter that holds sizes, and what was done to it. */
function filter(present: Sizes | undefined = NONE) {
  const kernel = { present, reads: 0, replacements: 0, refusal: undefined as string | undefined };
  const refused = () => err({ kind: 'segmentClampFailure', text: kernel.refusal ?? '' } as const);
  const clamps: SegmentClamps = {
    read: () => {
      kernel.reads += 1;
      return kernel.refusal === undefined ? ok(kernel.present) : refused();
    },
    replace: (sizes) => {
      if (kernel.refusal !== undefined) return refused();
      kernel.replacements += 1;
      kernel.present = sizes;
      return ok(undefined);
    },
    close: () => {},
  };
  return { kernel, clamps };
}

function watch(wanted: Sizes, present?: Sizes) {
  const world = new TestWorld();
  const { kernel, clamps } = filter(present);
  const state = { wanted };
  const log: string[] = [];
  const all = new SegmentClampWatch({
    timers: world.timers,
    clamps,
    log: createLog('json', 'info', { write: (line) => void log.push(JSON.parse(line).msg) }, false),
    isWanted: () => state.wanted.size > 0,
    sizes: () => state.wanted,
  });
  all.start();
  return { world, kernel, all, state, log };
}

describe('the watch of clamps', () => {
  it('puts them into force at the start, and what changes soon after it has changed', () => {
    const { world, kernel, all, state } = watch(A);
    expect(kernel.present).toEqual(A);
    state.wanted = B;
    all.changed();
    world.pass(1_000);
    expect([kernel.present, all.state.sizes]).toEqual([B, B]);
  });

  it('puts them back when somebody has taken away all rules of the host', () => {
    const { world, kernel } = watch(A);
    kernel.present = NONE;
    world.pass(11_000);
    expect(kernel.present).toEqual(A);
  });

  it('leaves alone what is as it should be', () => {
    const { world, kernel } = watch(A, A);
    world.pass(60_000);
    expect(kernel.replacements).toBe(0);
  });

  it('leaves nothing where nobody is to be clamped any more, and then asks no more', () => {
    const { world, kernel, state } = watch(A);
    state.wanted = NONE;
    world.pass(11_000);
    expect(kernel.present).toEqual(NONE);
    const { reads } = kernel;
    world.pass(100_000);
    expect(kernel.reads).toBe(reads);
  });

  it('takes away what an earlier run has left and nobody wants', () => {
    expect(watch(NONE, A).kernel.present).toEqual(NONE);
  });

  it('tells once why a kernel cannot do it, and goes on as soon as it can', () => {
    const { world, kernel, all, state, log } = watch(A);
    kernel.refusal = 'no nf_tables';
    state.wanted = B;
    world.pass(60_000);
    expect(all.state).toEqual({ sizes: NONE, failure: 'no nf_tables' });
    expect(log.filter((text) => text === 'TCP segments are not clamped')).toHaveLength(1);
    kernel.refusal = undefined;
    world.pass(11_000);
    expect(all.state).toEqual({ sizes: B, failure: undefined });
  });

  it('says nothing of a kernel that cannot do what nobody wants', () => {
    const { kernel, clamps } = filter();
    kernel.refusal = 'no nf_tables';
    const { timers } = new TestWorld();
    const log = createLog('json', 'info', { write: (line) => expect(line).toBe('') }, false);
    const all = new SegmentClampWatch({ timers, clamps, log, isWanted: () => false, sizes: () => NONE });
    all.start();
    expect(all.state.failure).toBeUndefined();
  });
});
