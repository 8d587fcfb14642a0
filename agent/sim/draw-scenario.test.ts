import { describe, expect, it } from 'vitest';

import { readArguments } from './command-line.ts';
import { drawScenario } from './draw-scenario.ts';
import { FAULT_FAMILIES } from './scenario.ts';

const SEEDS = Array.from({ length: 1_000 }, (_, index) => index + 1);

describe('a thousand seeds, as they are run by default', () => {
  const scenarios = SEEDS.map((seed) => drawScenario(seed, undefined, readArguments([]).faults));

  it('have every family of faults', () => {
    expect(readArguments([]).faults).toEqual(new Set(FAULT_FAMILIES));
    const graces = new Set(scenarios.map(({ unselectedGraceMs }) => unselectedGraceMs));
    expect(graces).toEqual(new Set([0, undefined]));
    expect(scenarios.some(({ certificates }) => certificates !== undefined)).toBe(true);
    expect(scenarios.some(({ wallOffsetsMs }) => wallOffsetsMs?.some((offset) => offset !== 0))).toBe(true);
  });

  it('have flows that are silent by turns, and ways that drop ESP among other faults and after all of them', () => {
    const pausing = scenarios.filter(({ longestTurnMs }) => longestTurnMs !== undefined);
    expect(pausing.length).toBeGreaterThan(400);
    expect(pausing.length).toBeLessThan(600);
    const drops = scenarios.flatMap(({ disturbances, calmAtMs }) =>
      disturbances.filter(({ kind }) => kind === 'dropEsp').map((drop) => drop.atMs > calmAtMs),
    );
    expect(drops.filter((calmly) => calmly).length).toBeGreaterThan(100);
    expect(drops.filter((calmly) => !calmly).length).toBeGreaterThan(100);
  });

  it('have meshes of up to fifty nodes among them, few enough to take no longer', () => {
    const large = scenarios.map(({ nodes }) => nodes).filter((nodes) => nodes > 5);
    expect(large.length).toBeGreaterThan(5);
    expect(large.length).toBeLessThan(30);
    expect(Math.max(...large)).toBeGreaterThan(40);
    expect(Math.max(...large)).toBeLessThanOrEqual(50);
  });

  it('have one of two begin and the other one take over, in the pairs of a large mesh', () => {
    const pairs = scenarios.filter(({ nodes }) => nodes > 5).flatMap(({ pairs: all }) => all);
    const free = pairs.filter(({ natted }) => natted === undefined);
    expect(new Set(free.map(({ initiation }) => initiation.toSorted().join()))).toEqual(new Set(['start,takeover']));
  });
});
