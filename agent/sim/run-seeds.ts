import { setImmediate } from 'node:timers/promises';

import { type Arguments, replayCommand } from './command-line.ts';
import { Progress } from './progress.ts';
import { runSeed, type SeedReport } from './run-seed.ts';
import type { Outcome } from './simulation.ts';
import { type Done, runPooled } from './worker-pool.ts';
import type { Violation } from './world.ts';

/**
 * Runs all seeds, on several threads, and tells of those that fail, in the order of seeds; true if none does. `signal`
 * ends it early, with the sum of what was done; its seeds are then not all that were asked for.
 */
export async function runSeeds(options: Arguments, signal: AbortSignal): Promise<boolean> {
  const begun = performance.now();
  const sum = new Sum();
  const progress = new Progress(options.seeds);
  const onDone = (seed: number, done: Done<SeedReport>): void => {
    const failure = failureOf(done);
    sum.add(done.kind === 'result' ? done.result.outcome : undefined, failure !== undefined);
    if (failure !== undefined) {
      progress.clear();
      tellFailure(seed, failure, done.kind === 'result' ? done.result : undefined, options);
    }
    progress.show(sum.seeds, sum.failed);
  };
  if (options.verbose) await runHere(options, signal, onDone);
  else await runOnThreads(options, signal, onDone);
  progress.clear();
  tellSum(sum, (performance.now() - begun) / 1_000, options);
  return sum.failed === 0;
}

/** What is told as it happens is told from here. */
async function runHere(options: Arguments, signal: AbortSignal, onDone: OnDone): Promise<void> {
  for (const seed of seedsOf(options)) {
    onDone(seed, { kind: 'result', result: runSeed(seed, options, (line) => console.log(line)) });
    // A signal comes only to who waits.
    await setImmediate();
    if (signal.aborted) return;
  }
}

async function runOnThreads(options: Arguments, signal: AbortSignal, onDone: OnDone): Promise<void> {
  const { seeds, workers, nodes, faults, shrink } = options;
  await runPooled<number, SeedReport>({
    module: new URL('./seed-worker.ts', import.meta.url),
    data: { nodes, faults, shrink },
    workers: Math.min(workers, seeds),
    tasks: seedsOf(options),
    limitMs: shrink ? SHRINK_LIMIT_MS : SEED_LIMIT_MS,
    signal,
    onDone,
  });
}

function* seedsOf({ start, seeds }: Arguments): Generator<number> {
  for (let seed = start; seed < start + seeds; seed += 1) yield seed;
}

function failureOf(done: Done<SeedReport>): Violation | undefined {
  if (done.kind === 'result') return done.result.outcome.violation;
  return { invariant: 'noCrash', atMs: 0, text: done.reason };
}

function tellFailure(seed: number, violation: Violation, report: SeedReport | undefined, options: Arguments): void {
  const replay = replayCommand(seed, options);
  const smaller = report?.smaller;
  const trace = ((smaller ?? report)?.outcome.trace ?? []).slice(-TRACE_LINES);
  if (options.json) {
    console.log(JSON.stringify({ seed, violation, replay, smaller: smaller?.scenario, trace }));
    return;
  }
  console.log(`seed ${seed} failed after ${violation.atMs / 1_000} s: ${violation.invariant}`);
  console.log(`  ${violation.text}`);
  if (smaller !== undefined) console.log(`  also fails so: ${JSON.stringify(smaller.scenario)}`);
  if (trace.length > 0 && (!options.verbose || smaller !== undefined)) {
    console.log('  what happened last:');
    for (const line of trace) console.log(`    ${line}`);
  }
  console.log(`  to see it again: ${replay}`);
}

function tellSum(sum: Sum, seconds: number, options: Arguments): void {
  const { seeds, failed, settledInMs, excused, datagrams, packets, espPackets, childSas } = sum;
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
  if (seeds < options.seeds) console.log(`stopped early: ${options.seeds} seeds were asked for`);
  console.log(`${seeds} seeds, ${failed} failed (${seconds.toFixed(1)} s)`);
}

type OnDone = (seed: number, done: Done<SeedReport>) => void;

/** What all outcomes have in common. */
class Sum {
  seeds = 0;
  failed = 0;
  settledInMs = 0;
  datagrams = 0;
  packets = 0;
  espPackets = 0;
  childSas = 0;
  readonly excused: Record<string, number> = {};

  /** Without an outcome where the thread crashed. */
  add(outcome: Outcome | undefined, failed: boolean): void {
    this.seeds += 1;
    if (failed) this.failed += 1;
    if (outcome === undefined) return;
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

const TRACE_LINES = 80;
/** No seed takes a hundredth of it; one that goes round in circles within a single event would take for ever. */
const SEED_LIMIT_MS = 300_000;
/** A scenario is run some hundred times to make it smaller. */
const SHRINK_LIMIT_MS = 12 * SEED_LIMIT_MS;
