import { cpuSeconds } from './measure.ts';
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

/** Processor time of each primitive, computed `times` times one behind the other, in seconds and in their order. */
export function timePrimitives(primitives: readonly Primitive[], times: number): readonly number[] {
  return primitives.map(({ run }) =>
    cpuSeconds(() => {
      for (let count = 0; count < times; count += 1) run();
    }),
  );
}

/** Lists equal primitives once; `seconds` are those of one call each, in the order of `primitives`. */
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
