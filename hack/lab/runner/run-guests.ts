import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { LabError } from '../host/lab-error.ts';
import type { BundledPrograms } from '../host/programs.ts';
import type { RecipeName } from '../host/recipe.ts';
import { type LabCommand, withEsp } from '../host/with-esp.ts';
import type { RunOrder, ScenarioResult } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { type BlockWriter, inBlocks } from './scenario-blocks.ts';
import { isClaimed, resultOf } from './scenario-claims.ts';

/** The content of results.json. */
export interface RunResults {
  readonly passed: number;
  readonly failed: number;
  /** Scenarios that this kernel cannot run. */
  readonly skipped: number;
  readonly scenarios: readonly ScenarioResult[];
}

/** How scenarios are to be run. */
export interface GuestsOptions extends Pick<LabCommand, 'kernel' | 'newerKernel' | 'memoryMib' | 'timeoutMs'> {
  /** results.json and one folder per scenario go there. */
  readonly outputFolder: string;
  readonly programs: BundledPrograms;
  /** How many may run at a time. */
  readonly guests: number;
  readonly say: (line: string) => void;
  /** Takes what one guest says. Default standard output, a scenario at a time. */
  readonly narrator?: () => BlockWriter;
}

/** A guest that is to be booted: all that have the same root folder and kernel share what is to be run there. */
interface Guest {
  readonly recipe: RecipeName;
  readonly newerKernel: boolean;
  readonly names: readonly string[];
}

/** Runs scenarios in as many guests side by side as wanted, grouped by the root folder and the kernel that they need. */
export async function runInGuests(
  scenarios: readonly Scenario[],
  options: GuestsOptions,
): Promise<{ readonly code: number; readonly results: RunResults }> {
  mkdirSync(options.outputFolder, { recursive: true });
  const claimsFolder = mkdtempSync(join(options.outputFolder, 'claims-'));
  try {
    const code = await boot(guestsFor(scenarios, options), claimsFolder, options);
    const results = summary(scenarios.map(({ name }) => resultOf(claimsFolder, name)));
    writeFileSync(join(options.outputFolder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
    return { code: code === 0 && results.failed > 0 ? 1 : code, results };
  } finally {
    rmSync(claimsFolder, { recursive: true, force: true });
  }
}

/** The guests of all groups; one that would not even have two scenarios to run is not worth its boot. */
function guestsFor(
  scenarios: readonly Scenario[],
  { guests: most, newerKernel: newer }: GuestsOptions,
): readonly Guest[] {
  const byRecipe = Map.groupBy(scenarios, (scenario) => scenario.recipe ?? 'strongswan');
  return [...byRecipe].flatMap(([recipe, ofRecipe]) => {
    const byKernel = Map.groupBy(ofRecipe, ({ filtersPackets }) => newer === true && filtersPackets !== true);
    return [...byKernel].flatMap(([newerKernel, group]) => {
      const count = Math.max(1, Math.min(most, Math.floor(group.length / 2)));
      return Array.from({ length: count }, () => ({ recipe, newerKernel, names: group.map(({ name }) => name) }));
    });
  });
}

/** Boots the guests in turn, some at a time, and gives the first exit code that tells of trouble with the lab itself. */
async function boot(guests: readonly Guest[], claimsFolder: string, options: GuestsOptions): Promise<number> {
  const waiting = [...guests];
  const codes: number[] = [];
  const alone = guests.length === 1 || options.guests === 1;
  const next = async (): Promise<void> => {
    for (let guest = waiting.shift(); guest !== undefined; guest = waiting.shift()) {
      if (guest.names.every((name) => isClaimed(claimsFolder, name))) continue;
      const code = await runGuest(guest, claimsFolder, alone, options);
      if (code === 0) continue;
      codes.push(code);
      waiting.length = 0;
    }
  };
  await Promise.all(Array.from({ length: options.guests }, next));
  return codes[0] ?? 0;
}

async function runGuest(guest: Guest, claimsFolder: string, alone: boolean, options: GuestsOptions): Promise<number> {
  const { outputFolder, programs, say } = options;
  const order: RunOrder = { names: guest.names, outputFolder, claimsFolder, programs: programs.inLab };
  const narrate = (piece: Uint8Array) => process.stdout.write(piece);
  const blocks = options.narrator?.() ?? (alone ? { write: narrate, end: () => undefined } : inBlocks(narrate));
  try {
    return await withEsp({
      ...options,
      recipe: guest.recipe,
      newerKernel: guest.newerKernel,
      command: ['node', '--enable-source-maps', programs.runner, JSON.stringify(order)],
      output: { stdout: blocks.write, stderr: (piece) => process.stderr.write(piece) },
    });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    // What the guest has not run fails; the others' results still count.
    say(error.message);
    return labFailureCode;
  } finally {
    blocks.end();
  }
}

function summary(scenarios: readonly ScenarioResult[]): RunResults {
  const count = (outcome: ScenarioResult['outcome']) => scenarios.filter((each) => each.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped'), scenarios };
}

/** The exit code of a lab that failed itself. */
export const labFailureCode = 125;
