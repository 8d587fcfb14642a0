import type { Scenario } from './scenario.ts';
import { type Outcome, simulate } from './simulation.ts';

/**
 * Runs a scenario with clocks on the wall that are wrong once more, with right ones: it must take the same course, because
 * nothing but certificates is judged by those clocks. Where there are certificates, nothing can be said.
 */
export function unmoved(
  scenario: Scenario,
  outcome: Outcome,
  run: (scenario: Scenario) => Outcome = simulate,
): Outcome {
  const { wallOffsetsMs, certificates, ...others } = scenario;
  const jumps = scenario.disturbances.some(({ kind }) => kind === 'setClock');
  if (certificates !== undefined || (wallOffsetsMs === undefined && !jumps)) return outcome;
  const disturbances = scenario.disturbances.map((each) =>
    each.kind === 'setClock' ? { ...each, offsetMs: 0 } : each,
  );
  const again = run({ ...others, disturbances });
  if (again.traceHash === outcome.traceHash) return outcome;
  const text = `clocks on the wall change what happens: traces ${outcome.traceHash} and ${again.traceHash}`;
  return { ...outcome, violation: { invariant: 'deadlines', atMs: 0, text } };
}
