import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LabError } from './host/lab-error.ts';
import { type BundledPrograms, bundlePrograms } from './host/programs.ts';
import { withEsp } from './host/with-esp.ts';
import { scenarioCatalogue } from './runner/catalogue.ts';
import type { RunOrder } from './runner/run-scenarios.ts';
import type { Scenario } from './runner/scenario.ts';

interface Flags {
  readonly list?: boolean;
  readonly all?: boolean;
  readonly shell?: boolean;
  readonly output?: string;
  readonly results?: string;
  readonly timeout: number;
  readonly memory: number;
  readonly kernel: 'auto' | 'direct' | 'uml';
}

const program = new Command('lab')
  .description('Runs scenarios with real ESP: network namespaces as nodes, in a kernel that has it.')
  .argument('[scenario...]', 'names; see --list')
  .option('--list', 'name the scenarios')
  .option('--all', 'run every scenario')
  .option('--shell', 'open a shell in the lab')
  .option('--output <folder>', 'keep logs, captures and results.json there; otherwise only those of a failure are kept')
  .option('--results <file>', 'write the results there, as JSON')
  .option('--timeout <seconds>', 'for all scenarios together', number, 1800)
  .option('--memory <MiB>', 'memory of the guest', number, 1024)
  .addOption(new Option('--kernel <kind>', 'whose kernel').choices(['auto', 'direct', 'uml']).default('auto'))
  .action(main);

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
  const common = { say, memoryMib: flags.memory, kernel: flags.kernel };
  if (flags.shell === true) {
    process.exitCode = await withEsp({ ...common, command: ['/bin/bash', '-i'], terminal: true });
    return;
  }
  const catalogue = await scenarioCatalogue();
  const width = Math.max(...catalogue.map((scenario) => scenario.name.length));
  if (flags.list === true) {
    for (const { name, description } of catalogue) process.stdout.write(`${name.padEnd(width)}  ${description}\n`);
    return;
  }
  const chosen = flags.all === true ? catalogue : names.map((name) => named(catalogue, name));
  if (chosen.length === 0) throw new LabError('name a scenario, or say --all or --list');
  process.exitCode = await runChosen(chosen, flags, common);
}

async function runChosen(
  chosen: readonly Scenario[],
  flags: Flags,
  common: Pick<Parameters<typeof withEsp>[0], 'say' | 'memoryMib' | 'kernel'>,
): Promise<number> {
  const kept = flags.output !== undefined;
  const outputFolder = kept ? resolve(flags.output ?? '') : mkdtempSync(join(tmpdir(), 'ikemesh-lab-output-'));
  let code = 125;
  let programs: BundledPrograms | undefined;
  try {
    programs = await bundlePrograms(chosen.some((scenario) => scenario.usesAgent === true));
    const order: RunOrder = {
      names: chosen.map((scenario) => scenario.name),
      outputFolder,
      programs: programs.inLab,
    };
    const command = ['node', '--enable-source-maps', programs.runner, JSON.stringify(order)];
    code = await withEsp({ ...common, command, outputFolder, timeoutMs: flags.timeout * 1000 });
  } finally {
    programs?.remove();
    const results = join(outputFolder, 'results.json');
    if (flags.results !== undefined && existsSync(results)) copyFileSync(results, flags.results);
    if (kept || code === 1 || code === 124) process.stderr.write(`lab: logs and captures are in ${outputFolder}\n`);
    else rmSync(outputFolder, { recursive: true, force: true });
  }
  return code;
}

function named(catalogue: readonly Scenario[], name: string): Scenario {
  const found = catalogue.find((scenario) => scenario.name === name);
  if (found === undefined) throw new LabError(`there is no scenario '${name}'; npm run lab -- --list names them`);
  return found;
}

function number(word: string): number {
  const value = Number(word);
  if (!(value > 0)) throw new InvalidArgumentError('a positive number is wanted.');
  return value;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${error.message}\n`);
  process.exitCode = 125;
}
