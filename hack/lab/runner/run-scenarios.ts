import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Scenario } from './scenario.ts';
import { claim, keepResult } from './scenario-claims.ts';
import { type LabPrograms, Skipped, scenarioLab } from './scenario-lab.ts';

/** What became of one scenario. */
export interface ScenarioResult {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** What the host tells the runner in the lab. */
export interface RunOrder {
  readonly names: readonly string[];
  /** Writable folder; one folder per scenario goes there. */
  readonly outputFolder: string;
  /** Shared by the guests that run these scenarios; see `scenario-claims.ts`. */
  readonly claimsFolder: string;
  readonly programs: LabPrograms;
}

/**
 * Runs scenarios one after another in this kernel, save those that another guest has claimed, and tells how each went.
 *
 * @public The generated text of the bundled runner calls it.
 */
export async function runScenarios(scenarios: readonly Scenario[], order: RunOrder): Promise<void> {
  for (const name of order.names) {
    const scenario = scenarios.find((candidate) => candidate.name === name);
    if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
    if (!claim(order.claimsFolder, name)) continue;
    process.stdout.write(`--- ${name}: ${scenario.description}\n`);
    const folder = join(order.outputFolder, name);
    mkdirSync(folder, { recursive: true });
    const result = await runScenario(scenario, folder, order.programs);
    keepResult(order.claimsFolder, result);
    process.stdout.write(`${resultText(result)}${result.outcome === 'failed' ? logTails(folder) : ''}`);
  }
}

async function runScenario(scenario: Scenario, folder: string, programs: LabPrograms): Promise<ScenarioResult> {
  const started = performance.now();
  const { lab, end } = scenarioLab(folder, programs);
  const faults: string[] = [];
  let skipped: string | undefined;
  const timeoutMs = scenario.timeoutMs ?? 60_000;
  const aborted = Promise.withResolvers<never>();
  const late = () => aborted.reject(new Error(`it was not over after ${timeoutMs / 1000} s`));
  const timer = setTimeout(late, timeoutMs);
  // A promise that nobody awaited, or a callback that threw, fails this scenario and not the next ones.
  const stray = (error: unknown) => aborted.reject(error);
  process.on('uncaughtException', stray);
  const run = scenario.run(lab);
  // After a timeout its daemons are killed under it; what it throws then is not the reason.
  run.catch(() => undefined);
  await Promise.race([run, aborted.promise]).catch((error: unknown) => {
    if (error instanceof Skipped) skipped = error.message;
    else faults.push(reason(error));
  });
  clearTimeout(timer);
  process.off('uncaughtException', stray);
  await end().catch((error: unknown) => faults.push(`the lab could not be removed: ${reason(error)}`));
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const { name } = scenario;
  if (faults.length > 0) return { name, outcome: 'failed', seconds, reason: faults.join('\n') };
  return skipped === undefined
    ? { name, outcome: 'passed', seconds }
    : { name, outcome: 'skipped', seconds, reason: skipped };
}

function resultText({ name, outcome, seconds, reason: why }: ScenarioResult): string {
  const words = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' } as const;
  return `${words[outcome]} ${name} (${seconds} s)${why === undefined ? '' : `: ${why}`}\n`;
}

function reason(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The last lines of each log of a failed scenario. */
function logTails(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return files
    .map((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').slice(-shownLogLines);
      return `  ${name}:\n${lines.map((line) => `    ${line}\n`).join('')}`;
    })
    .join('');
}

const shownLogLines = 25;
