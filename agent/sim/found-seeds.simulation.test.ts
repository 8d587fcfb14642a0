import { describe, expect, it } from 'vitest';

import { drawScenario } from './draw-scenario.ts';
import { FAULT_FAMILIES } from './scenario.ts';
import { simulate } from './simulation.ts';

/**
 * Seeds that once failed of causes that take more to come about than a test of the core alone can show in a few lines. What a
 * seed plays changes whenever anything that it draws does; then it only plays something else.
 */
describe('nothing is lost where', () => {
  it.each([
    ['a peer, found dead on two IKE SAs at once, goes back to a pair that it had left for that of the other one', 2379],
    ['a peer ends an IKE SA for the sake of a newer one, whose grant is on its way and whose pair waits for us', 2715],
    ['a peer ends an IKE SA for the sake of a newer one, on which all that it answered was lost', 1424],
    ['a pair reaches its hard limit while its successor is being granted, and plaintext would arrive', 413],
    [
      'a peer deletes a pair that is sent on, and shows by that alone that it has the other one, where plaintext is allowed',
      9637,
    ],
    [
      'a peer has heard nothing of the end of an IKE SA, and goes back to it when both have found the one after it dead',
      8772,
    ],
    ['an agent is killed with a policy that its kernel would not turn to the new SA, and is started again', 2152],
  ] as const)('%s (seed %i)', (_, seed) => {
    expect(simulate(drawScenario(seed, 5, new Set(FAULT_FAMILIES))).violation).toBeUndefined();
  });

  it.each([
    ['a peer has given up one IKE SA and answers on another one, which has a pair of the same Child', 999],
  ] as const)('%s (seed %i of any number of nodes)', (_, seed) => {
    expect(simulate(drawScenario(seed, undefined, new Set(FAULT_FAMILIES))).violation).toBeUndefined();
  });
});
