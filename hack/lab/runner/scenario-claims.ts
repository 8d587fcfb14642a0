import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ScenarioResult } from './run-scenarios.ts';

/*
 * Guests that run side by side take scenarios from one list without knowing of one another: in a folder that they share
 * each makes a folder named after the scenario, which succeeds once, and leaves the result in there.
 */

/** Whether the caller is the first to claim this scenario, and so has to run it. */
export function claim(claimsFolder: string, name: string): boolean {
  try {
    mkdirSync(join(claimsFolder, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether anybody has claimed this scenario. */
export function isClaimed(claimsFolder: string, name: string): boolean {
  return existsSync(join(claimsFolder, name));
}

/** Leaves the result of a claimed scenario. */
export function keepResult(claimsFolder: string, result: ScenarioResult): void {
  writeFileSync(resultFile(claimsFolder, result.name), JSON.stringify(result));
}

/** The result of a scenario; a failure where there is none. */
export function resultOf(claimsFolder: string, name: string): ScenarioResult {
  const file = resultFile(claimsFolder, name);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as ScenarioResult;
  const reason = isClaimed(claimsFolder, name) ? 'the lab ended before it was over' : 'the lab ended before its turn';
  return { name, outcome: 'failed', seconds: 0, reason };
}

function resultFile(claimsFolder: string, name: string): string {
  return join(claimsFolder, name, 'result.json');
}
