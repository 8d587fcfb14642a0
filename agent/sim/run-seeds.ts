import { type Arguments, replayCommand } from './command-line.ts';
import { drawScenario } from './draw-scenario.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { type Outcome, simulate } from './simulation.ts';

/** Runs all seeds and tells of those that fail; true if none does. */
export function runSeeds(options: Arguments): boolean {
  const begun = performance.now();
  const sum = new Sum();
  let toldAt = begun;
  for (let seed = options.start; seed < options.start + options.seeds; seed += 1) {
    const scenario = drawScenario(seed, options.nodes, options.faults);
    const print = options.verbose ? (line: string): void => console.log(line) : undefined;
    let outcome = simulate(scenario, print === undefined ? {} : { print });
    if (outcome.violation === undefined && seed % REPEAT_EVERY === 0) outcome = repeated(scenario, outcome);
    sum.add(outcome);
    if (outcome.violation !== undefined) tellFailure(scenario, outcome, options);
    if (performance.now() - toldAt > PROGRESS_MS && process.stderr.isTTY) {
      toldAt = performance.now();
      process.stderr.write(`\r${seed - options.start + 1} of ${options.seeds} seeds, ${sum.failed} failed `);
    }
  }
  tellSum(sum, (performance.now() - begun) / 1_000, options);
  return sum.failed === 0;
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

function tellFailure(scenario: Scenario, outcome: Outcome, options: Arguments): void {
  const { violation } = outcome;
  if (violation === undefined) return;
  const replay = replayCommand(outcome.seed, options);
  const smaller = options.shrink ? shrink(scenario, violation.invariant) : undefined;
  const told = smaller?.outcome ?? outcome;
  if (options.json) {
    const trace = told.trace.slice(-TRACE_LINES);
    console.log(JSON.stringify({ seed: outcome.seed, violation, replay, smaller: smaller?.scenario, trace }));
    return;
  }
  console.log(`seed ${outcome.seed} failed after ${violation.atMs / 1_000} s: ${violation.invariant}`);
  console.log(`  ${violation.text}`);
  if (smaller !== undefined) console.log(`  also fails so: ${JSON.stringify(smaller.scenario)}`);
  if (!options.verbose || smaller !== undefined) {
    console.log('  what happened last:');
    for (const line of told.trace.slice(-TRACE_LINES)) console.log(`    ${line}`);
  }
  console.log(`  to see it again: ${replay}`);
}

function tellSum(sum: Sum, seconds: number, options: Arguments): void {
  const { seeds } = options;
  const { failed, settledInMs, excused, datagrams, packets, espPackets, childSas } = sum;
  if (process.stderr.isTTY) process.stderr.write('\r');
  if (options.json) {
    const counts = { datagrams, packets, espPackets, childSas };
    console.log(
      JSON.stringify({ seeds, failed, seconds, longestSettleSeconds: settledInMs / 1_000, ...counts, excused }),
    );
    return;
  }
  const excuses = Object.entries(excused).map(([name, count]) => `${name} ${count}`);
  console.log(
    `${datagrams} datagrams, ${packets} packets (${espPackets} as ESP), ${childSas} Child SAs at one end or the other; ` +
      `settled ${settledInMs / 1_000} s after the calm at the latest; excused: ${excuses.join(', ') || 'nothing'}`,
  );
  console.log(`${seeds} seeds, ${failed} failed (${seconds.toFixed(1)} s)`);
}

/** What all outcomes have in common. */
class Sum {
  failed = 0;
  settledInMs = 0;
  datagrams = 0;
  packets = 0;
  espPackets = 0;
  childSas = 0;
  readonly excused: Record<string, number> = {};

  add(outcome: Outcome): void {
    if (outcome.violation !== undefined) this.failed += 1;
    this.settledInMs = Math.max(this.settledInMs, outcome.settledInMs ?? 0);
    this.datagrams += outcome.counts.datagrams;
    this.packets += outcome.counts.packets;
    this.espPackets += outcome.counts.espPackets;
    this.childSas += outcome.counts.childSas;
    for (const [name, count] of Object.entries(outcome.excused)) {
      this.excused[name] = (this.excused[name] ?? 0) + count;
    }
  }
}

/** One seed in so many is run twice, to see that it takes the same course. */
const REPEAT_EVERY = 20;
const PROGRESS_MS = 500;
const TRACE_LINES = 80;
