import { Command, InvalidArgumentError } from 'commander';

import { LabError } from '../lab/host/lab-error.ts';
import { CannotBuildError, ClusterError } from './cluster-error.ts';
import { type ProgramName, programNames } from './programs/program.ts';
import { programPaths } from './programs/program-paths.ts';

interface BuildFlags {
  readonly jobs?: number;
}

/** Exit code where this machine cannot build the programs, for tests that are skipped then (EX_UNAVAILABLE). */
const cannotBuildCode = 69;
const jobsText = 'processors that a build may use (all of them, niced)';

const program = new Command('cluster')
  .description('A real Kubernetes on this machine, its programs built once from Go modules.')
  .enablePositionalOptions();

program
  .command('build')
  .description('build the programs that are not in the cache, and print where they are')
  .argument('[program...]', `of ${programNames.join(', ')}; all unless given`, programName)
  .option('--jobs <count>', jobsText, count)
  .action(async (names: readonly ProgramName[], { jobs }: BuildFlags) => {
    const wanted = names.length > 0 ? names : programNames;
    const paths = await programPaths(wanted, { say, ...(jobs === undefined ? {} : { jobs }) });
    for (const name of wanted) process.stdout.write(`${paths[name]}\n`);
  });

function say(line: string): void {
  process.stderr.write(`cluster: ${line}\n`);
}

function programName(word: string, all: readonly ProgramName[] = []): readonly ProgramName[] {
  const found = programNames.find((name) => name === word);
  if (found === undefined) throw new InvalidArgumentError(`there is no such program.`);
  return [...all, found];
}

function count(word: string): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a positive whole number is wanted.');
  return value;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof ClusterError || error instanceof LabError)) throw error;
  say(error.message);
  process.exitCode = error instanceof CannotBuildError ? cannotBuildCode : 1;
}
