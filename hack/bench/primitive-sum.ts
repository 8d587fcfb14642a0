import { cpuSeconds, median } from './measure.ts';
import type { Primitive } from './record-primitives.ts';

/** A primitive, how often a handshake needs it, and what that costs. */
export interface PrimitiveCost {
  readonly primitive: string;
  readonly kind: Primitive['kind'];
  readonly inputBytes: number;
  /** Calls per handshake, both ends together. */
  readonly count: number;
  /** Of all these calls together. */
  readonly cpuMicroseconds: number;
}

/** Processor time of the primitives of these handshakes, each computed once, in their order; in seconds. */
export function timePrimitives(handshakes: readonly (readonly Primitive[])[]): number {
  return cpuSeconds(() => {
    for (const primitives of handshakes) for (const { run } of primitives) run();
  });
}

/**
 * How long each primitive of a handshake takes, by a clock: the median over these handshakes, in the order of one. In
 * units of their sum, since it is processor time that counts, which cannot be told of something so short.
 */
export function sharesOfPrimitives(handshakes: readonly (readonly Primitive[])[]): readonly number[] {
  const times = handshakes.map((primitives) => primitives.map(({ run }) => clockMs(run)));
  const medians = (times[0] ?? []).map((_, index) => median(times.map((each) => each[index] ?? 0)));
  const sum = medians.reduce((total, each) => total + each, 0);
  return medians.map((each) => each / sum);
}

function clockMs(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

/** Lists equal primitives once; `seconds` are those of one call each, in the order of `primitives`, of one handshake. */
export function primitiveCosts(primitives: readonly Primitive[], seconds: readonly number[]): readonly PrimitiveCost[] {
  const costs = new Map<string, PrimitiveCost>();
  for (const [index, { kind, name, inputBytes }] of primitives.entries()) {
    const key = `${name} ${inputBytes}`;
    const before = costs.get(key);
    const cpuMicroseconds = (before?.cpuMicroseconds ?? 0) + (seconds[index] ?? 0) * 1e6;
    costs.set(key, { primitive: name, kind, inputBytes, count: (before?.count ?? 0) + 1, cpuMicroseconds });
  }
  return [...costs.values()].toSorted((a, b) => b.cpuMicroseconds - a.cpuMicroseconds);
}
