import { describe, expect, it } from 'vitest';

import { explore } from './explorer.ts';
import { allPlans, plan, planText } from './plans.ts';
import { Situation } from './situation.ts';
import type { Order, Plan } from './step.ts';

/** What takes longer is followed by `npm run sim -- --interleavings`. */
const QUICK: readonly (readonly [Order, Order])[] = [
  ['rekeyChild', 'rekeyChild'],
  ['rekey', 'terminateChild'],
  ['rekeyChild', 'terminateChild'],
  ['rekeyChild', 'terminate'],
  ['terminateChild', 'rekeyChild'],
  ['terminate', 'terminateChild'],
  ['terminate', 'terminate'],
  ['changeTraffic', 'terminate'],
  ['terminateChild', 'changeTraffic'],
];

describe('two endpoints that do things at the same time', () => {
  it.each(QUICK.map(([left, right]) => [left, right] as const))(
    'in every order: one wants to %s, the other one to %s; no packet is sent that cannot be received, and one SA is left',
    (left, right) => {
      const { violation, situations } = explore(plan([left], [right], 0));
      expect(violation).toBeUndefined();
      expect(situations).toBeGreaterThan(10);
    },
  );

  it.each(['rekeyChild', 'rekey'] as const)(
    'a %s survives the loss of any one datagram, whenever it is asked for again',
    (order) => {
      const { violation, ends } = explore(plan([order], [], 1));
      expect(violation).toBeUndefined();
      expect(ends).toBeGreaterThan(5);
    },
  );

  it('are followed in every pair of orders, and in both outcomes by nonces where both want the same', () => {
    const texts = new Set(allPlans(0).map(planText));
    expect(texts.size).toBe(allPlans(0).length);
    expect(texts).toContain('rekey | rekeyChild, nothing lost, seeds 11 and 22');
    expect(texts).toContain('rekey | rekey, nothing lost, seeds 22 and 11');
  });
});

describe('the explorer', () => {
  const RACE: Plan = plan(['rekeyChild'], ['rekeyChild'], 0);

  it('finds the same situations each time', () => {
    expect(explore(RACE).situations).toBe(explore(RACE).situations);
  });

  it('stops where there are more situations than it was told there are, and says how it came there', () => {
    const { violation } = explore(RACE, 50);
    expect(violation?.text).toContain('more situations');
    expect(violation?.steps.length).toBeGreaterThan(0);
  });

  it('takes only what is under way', () => {
    const situation = new Situation(RACE, () => undefined);
    expect(() => situation.take({ kind: 'lose', datagram: 'left: nothing' })).toThrow('not under way');
  });
});
