import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { RunResults } from '../lab/runner/run-guests.ts';
import { failuresOfScenarios, failuresOfVitest, type VitestReport } from './failures.ts';
import { longFormVariable } from './long-form.ts';

/** What a stage found. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** A line for each failure: which, and the beginning of why. */
  readonly failures?: readonly string[];
}

/** The tests beside the code. */
export function runUnit(): Promise<Counts> {
  heading('unit tests');
  return runVitest('hack/config/vitest.config.ts');
}

/** Tests with real servers and real builds. */
export function runIntegration(): Promise<Counts> {
  heading('integration tests');
  return runVitest('hack/config/vitest.integration.config.ts');
}

/**
 * The tests of the simulator that take seconds; then many endpoints whose SAs are replaced all the time: seeds with every
 * fault, and what two of them may do at the same time in every order, on all processors. A run of it counts as one test.
 */
export async function runSimulation(full: boolean): Promise<Counts> {
  heading('simulation');
  const tests = await runVitest('hack/config/vitest.simulation.config.ts');
  const codes: number[] = [];
  for (const words of full ? LONG_SIMULATIONS : SIMULATIONS)
    codes.push(await run('node', ['agent/sim/main.ts', ...words]));
  const failed = codes.filter((code) => code !== 0).length;
  return { ...tests, passed: tests.passed + codes.length - failed, failed: tests.failed + failed };
}

/** Scenarios on real kernels, with real peers and captures of the wire. */
export async function runLab(full: boolean): Promise<Counts> {
  heading('lab');
  return withReport(async (report) => {
    await run('node', ['hack/lab/main.ts', '--all', ...(full ? ['--full'] : []), '--results', report]);
    const { passed, failed, skipped, scenarios } = (await read(report)) as Record<string, unknown> &
      Pick<RunResults, 'scenarios'>;
    const failures = failuresOfScenarios(scenarios);
    return { passed: numberOf(passed), failed: numberOf(failed), skipped: numberOf(skipped), failures };
  });
}

/** What happens to nodes in the course of their lives, and what becomes of their packets; each row counts as one test. */
export async function runLifecycle(full: boolean): Promise<Counts> {
  heading('lifecycle');
  return withReport(async (report) => {
    await run('node', ['e2e/main.ts', 'lifecycle', full ? '--full' : '--quick', '--results', report]);
    const { passed, failed, skipped } = await read(report);
    return { passed: numberOf(passed), failed: numberOf(failed), skipped: numberOf(skipped) };
  });
}

/**
 * Tests against a real API server, whose programs are built first; skipped where there are no Go modules. In their long
 * form with what waits for minutes.
 */
export async function runCluster(full: boolean): Promise<Counts> {
  heading('cluster');
  const built = await run('node', ['hack/cluster/main.ts', 'build']);
  if (built === CANNOT_BUILD) {
    const files = globSync('{agent,charts,operator,hack,e2e}/**/*.cluster.test.ts');
    console.log(`skipped, each file counted as one test: ${files.join(' ')}`);
    return { passed: 0, failed: 0, skipped: files.length };
  }
  if (built !== 0) return FAILED;
  return runVitest('hack/config/vitest.cluster.config.ts', full ? { [longFormVariable]: 'yes' } : {});
}

function runVitest(config: string, environment: Readonly<Record<string, string>> = {}): Promise<Counts> {
  return withReport(async (report) => {
    const words = ['run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    await run('vitest', words, environment);
    const found = await read(report);
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites } = found;
    const passed = numberOf(numPassedTests);
    // A file that does not load has no test that could fail.
    const failed = Math.max(numberOf(numFailedTests), Math.min(1, numberOf(numFailedTestSuites)));
    const failures = failuresOfVitest(found as unknown as VitestReport, process.cwd());
    return { passed, failed, skipped: numberOf(numPendingTests) + numberOf(numTodoTests), failures };
  });
}

async function withReport(stage: (report: string) => Promise<Counts>): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), 'ikemesh-test-'));
  try {
    return await stage(join(folder, 'report.json'));
  } catch (error) {
    console.error(`this stage left no report: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(
  command: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: 'inherit', env: { ...process.env, ...environment } });
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function read(report: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(report, 'utf8')) as Record<string, unknown>;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new Error(`a count is missing from the report`);
  return value;
}

function heading(text: string): void {
  console.log(`\n=== ${text}`);
}

const SIMULATIONS: readonly (readonly string[])[] = [['--seeds', '1000'], ['--interleavings']];
const LONG_SIMULATIONS: readonly (readonly string[])[] = [
  ['--seeds', '10000'],
  ['--seeds', '10000', '--nodes', '5'],
  ['--interleavings', '--full'],
];
const FAILED: Counts = { passed: 0, failed: 1, skipped: 0 };
// What hack/cluster/main.ts exits with where it lacks Go or Go modules, having said so.
const CANNOT_BUILD = 69;
