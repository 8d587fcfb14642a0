import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { LabError } from './host/lab-error.ts';
import { positiveNumber } from './host/positive-number.ts';
import { type BundledPrograms, bundlePrograms } from './host/programs.ts';
import { type RecipeName, recipes } from './host/recipe.ts';
import { withEsp } from './host/with-esp.ts';
import { scenarioCatalogue } from './runner/catalogue.ts';
import { labFailureCode, runInGuests } from './runner/run-guests.ts';
import type { Scenario } from './runner/scenario.ts';

goOnWithoutReaders();

/** A guest has one processor and takes up to a gigabyte; many scenarios wait more than they compute. */
const defaultGuests = Math.min(4, availableParallelism() + 1);

interface Flags {
  readonly list?: boolean;
  readonly all?: boolean;
  readonly full?: boolean;
  readonly shell?: boolean;
  readonly output?: string;
  readonly results?: string;
  readonly timeout: number;
  readonly memory: number;
  readonly guests: number;
  readonly recipe: RecipeName;
  readonly newerKernel?: boolean;
  readonly kernel: 'auto' | 'direct' | 'uml';
}

const program = new Command('lab')
  .description('Runs scenarios with real ESP: network namespaces as nodes, in a kernel that has it.')
  .argument('[scenario...]', 'names; see --list')
  .option('--list', 'name the scenarios')
  .option('--all', 'run every scenario that is worth its time in each test run')
  .option('--full', 'with --all: those that are worth it only now and then, too')
  .option('--shell', 'open a shell in the lab')
  .option('--output <folder>', 'keep logs, captures and results.json there; otherwise only those of a failure are kept')
  .option('--results <file>', 'write the results there, as JSON')
  .option('--timeout <seconds>', 'for all scenarios together', positiveNumber, 1800)
  .option('--memory <MiB>', 'memory of each guest', positiveNumber, 1024)
  .option('--guests <count>', 'how many may run side by side', positiveNumber, defaultGuests)
  .addOption(
    new Option('--recipe <name>', 'root folder of --shell').choices(Object.keys(recipes)).default('strongswan'),
  )
  .option('--newer-kernel', 'in User Mode Linux: a newer, faster kernel, for all that filters no packets')
  .addOption(new Option('--kernel <kind>', 'whose kernel').choices(['auto', 'direct', 'uml']).default('auto'))
  .action(main);

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
  if (flags.shell === true) {
    const { memory: memoryMib, kernel, recipe } = flags;
    process.exitCode = await withEsp({ say, memoryMib, kernel, recipe, command: ['/bin/bash', '-i'], terminal: true });
    return;
  }
  const catalogue = await scenarioCatalogue();
  const width = Math.max(...catalogue.map((scenario) => scenario.name.length));
  if (flags.list === true) {
    for (const { name, description, rare } of catalogue) {
      process.stdout.write(`${name.padEnd(width)}  ${description}${rare === true ? ' (with --full)' : ''}\n`);
    }
    return;
  }
  const everyone = catalogue.filter((scenario) => flags.full === true || scenario.rare !== true);
  const chosen = flags.all === true ? everyone : names.map((name) => named(catalogue, name));
  if (chosen.length === 0) throw new LabError('name a scenario, or say --all or --list');
  process.exitCode = await runChosen(chosen, flags, say);
}

async function runChosen(chosen: readonly Scenario[], flags: Flags, say: (line: string) => void): Promise<number> {
  const kept = flags.output !== undefined;
  const outputFolder = kept ? resolve(flags.output ?? '') : mkdtempSync(join(tmpdir(), 'ikemesh-lab-output-'));
  let code: number = labFailureCode;
  let programs: BundledPrograms | undefined;
  try {
    const usesPrometheus = chosen.some((scenario) => scenario.usesPrometheus === true);
    programs = await bundlePrograms({
      withAgent: chosen.some((scenario) => scenario.usesAgent === true),
      ...(usesPrometheus ? { withPrometheus: say } : {}),
    });
    const { guests, kernel, newerKernel = false, memory: memoryMib, timeout } = flags;
    const run = { guests, kernel, newerKernel, memoryMib, timeoutMs: timeout * 1000, outputFolder, programs, say };
    const ended = await runInGuests(chosen, run);
    code = ended.code;
    const { passed, failed, skipped } = ended.results;
    process.stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);
  } finally {
    programs?.remove();
    const results = join(outputFolder, 'results.json');
    if (flags.results !== undefined && existsSync(results)) copyFileSync(results, flags.results);
    if (kept || code !== 0) process.stderr.write(`lab: logs and captures are in ${outputFolder}\n`);
    else rmSync(outputFolder, { recursive: true, force: true });
  }
  return code;
}

function named(catalogue: readonly Scenario[], name: string): Scenario {
  const found = catalogue.find((scenario) => scenario.name === name);
  if (found === undefined) throw new LabError(`there is no scenario '${name}'; npm run lab -- --list names them`);
  return found;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${error.message}\n`);
  process.exitCode = labFailureCode;
}
