import { drawScenario } from './draw-scenario.ts';
import type { FaultFamily, Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { type Outcome, simulate } from './simulation.ts';
import { unmoved } from './wall-clocks.ts';

/** How each of many seeds is run. */
export interface SeedOptions {
  /** Undefined: each seed has its own number. */
  readonly nodes: number | undefined;
  readonly faults: ReadonlySet<FaultFamily>;
  /** Whether a smaller scenario is looked for that fails in the same way. */
  readonly shrink: boolean;
}

/** What a seed came to. */
export interface SeedReport {
  readonly outcome: Outcome;
  /** A smaller scenario that fails in the same way, where one was looked for. */
  readonly smaller: { readonly scenario: Scenario; readonly outcome: Outcome } | undefined;
}

/** Runs a seed, some of them twice; `print` receives every event as it happens. */
export function runSeed(seed: number, options: SeedOptions, print?: (line: string) => void): SeedReport {
  const scenario = drawScenario(seed, options.nodes, options.faults);
  let outcome = simulate(scenario, print === undefined ? {} : { print });
  if (outcome.violation === undefined && seed % REPEAT_EVERY === 0) outcome = repeated(scenario, outcome);
  if (outcome.violation === undefined && seed % UNMOVED_EVERY === 0) outcome = unmoved(scenario, outcome);
  const { violation } = outcome;
  const smaller = options.shrink && violation !== undefined ? shrink(scenario, violation.invariant) : undefined;
  return { outcome, smaller };
}

/** Runs a scenario once more: it must take the same course. */
export function repeated(
  scenario: Scenario,
  outcome: Outcome,
  run: (scenario: Scenario) => Outcome = simulate,
): Outcome {
  const again = run(scenario);
  if (again.traceHash === outcome.traceHash) return outcome;
  const text = `two runs of one seed differ: traces ${outcome.traceHash} and ${again.traceHash}`;
  return { ...outcome, violation: { invariant: 'determinism', atMs: 0, text } };
}

/** One seed in so many is run twice, to see that it takes the same course. */
const REPEAT_EVERY = 20;
/** One seed in so many is run with right clocks too, where they are wrong. */
const UNMOVED_EVERY = 10;
