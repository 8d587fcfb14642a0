import { age, collectYoung, cpuSeconds, median } from './measure.ts';
import type { Primitive } from './record-primitives.ts';

/** A primitive, how often a handshake needs it, and what that costs. */
export interface PrimitiveCost {
  readonly primitive: string;
  readonly kind: Primitive['kind'];
  readonly inputBytes: number;
  /** Calls per handshake, both ends together. */
  readonly count: number;
  /** HMACs in all these calls. */
  readonly hmacs: number;
  /** Of all these calls together, each with its own key, in the order of a handshake. */
  readonly inPlaceMicroseconds: number;
  /** Of as many calls, in a loop of their own with one key; every HMAC by itself. */
  readonly inLoopMicroseconds: number;
}

/** Processor time of the primitives of these handshakes, each computed once, in their order; in seconds. */
export function timePrimitives(handshakes: readonly (readonly Primitive[])[]): number {
  return cpuSeconds(() => {
    for (const primitives of handshakes) for (const { run } of primitives) run();
    collectYoung();
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

/**
 * Processor time of one call of each primitive of a handshake, in the order of `primitives`, in seconds: equal ones are
 * computed `calls` times in a loop, all with the key and the input of the first. What stands for several HMACs counts as
 * so many times one of them.
 */
export function timePrimitivesInLoops(primitives: readonly Primitive[], calls: number): readonly number[] {
  const known = new Map<string, number>();
  return primitives.map((primitive) => {
    const key = kindOf(primitive);
    const seconds = known.get(key) ?? secondsInLoop(primitive, calls);
    known.set(key, seconds);
    return seconds;
  });
}

function secondsInLoop({ run, oneHmac, hmacs }: Primitive, calls: number): number {
  const repeat = (count: number): void => {
    const compute = oneHmac ?? run;
    for (let call = 0; call < count; call += 1) compute();
  };
  repeat(FIRST_CALLS);
  age();
  const whole = cpuSeconds(() => {
    repeat(calls);
    collectYoung();
  });
  // A collection takes its time where there is nothing to collect, too, and each of thirty loops has one.
  const collection = cpuSeconds(collectYoung);
  return (Math.max(0, whole - collection) / calls) * (oneHmac === undefined ? 1 : hmacs);
}

/** What equal primitives have in common: they differ in their keys and in what they are given only. */
function kindOf({ name, inputBytes }: Primitive): string {
  return `${name} ${inputBytes}`;
}

function clockMs(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

/** Lists equal primitives once; `inPlace` and `inLoops` are seconds of one call each, in the order of `primitives`. */
export function primitiveCosts(
  primitives: readonly Primitive[],
  inPlace: readonly number[],
  inLoops: readonly number[],
): readonly PrimitiveCost[] {
  const costs = new Map<string, PrimitiveCost>();
  for (const [index, primitive] of primitives.entries()) {
    const { kind, name, inputBytes, hmacs } = primitive;
    const before = costs.get(kindOf(primitive));
    costs.set(kindOf(primitive), {
      primitive: name,
      kind,
      inputBytes,
      count: (before?.count ?? 0) + 1,
      hmacs: (before?.hmacs ?? 0) + hmacs,
      inPlaceMicroseconds: (before?.inPlaceMicroseconds ?? 0) + (inPlace[index] ?? 0) * 1e6,
      inLoopMicroseconds: (before?.inLoopMicroseconds ?? 0) + (inLoops[index] ?? 0) * 1e6,
    });
  }
  return [...costs.values()].toSorted((a, b) => b.inPlaceMicroseconds - a.inPlaceMicroseconds);
}

/** Before a loop is timed: the key's first use costs more than further ones. */
const FIRST_CALLS = 20;
