import type { NetworkPlan, Scenario } from './scenario.ts';
import { type Outcome, simulate } from './simulation.ts';

/**
 * A smaller scenario that breaks the same invariant: what can be left out of the failing one, one thing after the
 * other, is left out.
 */
export function shrink(
  failing: Scenario,
  invariant: string,
): { readonly scenario: Scenario; readonly outcome: Outcome } {
  let scenario = failing;
  let outcome = simulate(scenario);
  for (let progress = true; progress; ) {
    progress = false;
    for (const smaller of smallerOnes(scenario)) {
      const tried = simulate(smaller);
      if (tried.violation?.invariant !== invariant) continue;
      scenario = smaller;
      outcome = tried;
      progress = true;
      break;
    }
  }
  return { scenario, outcome };
}

function* smallerOnes(scenario: Scenario): Generator<Scenario> {
  const { disturbances, network, pairs } = scenario;
  if (scenario.kernelRefusals > 0) yield { ...scenario, kernelRefusals: 0 };
  for (const fault of ['loss', 'duplicate', 'corrupt'] as const) {
    if (network[fault] > 0) yield { ...scenario, network: { ...network, [fault]: 0 } satisfies NetworkPlan };
  }
  if (network.maxDelayMs > network.minDelayMs) {
    yield { ...scenario, network: { ...network, maxDelayMs: network.minDelayMs } };
  }
  for (const [index, disturbance] of disturbances.entries()) {
    yield { ...scenario, disturbances: disturbances.toSpliced(index, 1) };
    if ('count' in disturbance && disturbance.count > 1) {
      const fewer = { ...disturbance, count: Math.floor(disturbance.count / 2) };
      yield { ...scenario, disturbances: disturbances.with(index, fewer) };
    }
  }
  const last = pairs.length - 1;
  const named = disturbances.some((disturbance) => 'pair' in disturbance && disturbance.pair === last);
  if (pairs.length > 1 && !named) yield { ...scenario, pairs: pairs.slice(0, -1) };
}
