import { Command, Option } from 'commander';

import { LabError } from './host/lab-error.ts';
import { positiveNumber } from './host/positive-number.ts';
import { type RecipeName, recipes } from './host/recipe.ts';
import { withEsp } from './host/with-esp.ts';

interface Flags {
  readonly kernel: 'auto' | 'direct' | 'uml';
  readonly newerKernel?: boolean;
  readonly recipe: RecipeName;
  readonly memory: number;
  readonly timeout?: number;
  readonly output?: string;
  readonly show: readonly string[];
  readonly terminal?: boolean;
}

const program = new Command('with-esp')
  .description('Runs COMMAND as root in a kernel that has ESP, apart from the host’s network.')
  .usage('[options] -- COMMAND [ARGUMENT...]')
  .argument('<command...>')
  .passThroughOptions()
  .addOption(new Option('--kernel <kind>', 'whose kernel').choices(['auto', 'direct', 'uml']).default('auto'))
  .option('--newer-kernel', 'in User Mode Linux: a newer, faster kernel, which has no packet filter for IP')
  .addOption(new Option('--recipe <name>', 'root folder').choices(Object.keys(recipes)).default('strongswan'))
  .option('--memory <MiB>', 'memory of the guest', positiveNumber, 1024)
  .option('--timeout <seconds>', 'stop the command after this time and exit with 124', positiveNumber)
  .option('--output <folder>', 'folder the command may write to; its path is in LAB_OUTPUT')
  .option(
    '--show <folder>',
    'show this host folder too, read-only (repeatable)',
    (path: string, all: string[]) => [...all, path],
    [],
  )
  .option('--terminal', 'connect the terminal, for a shell')
  .action(run);

async function run(command: readonly string[], flags: Flags): Promise<void> {
  process.exitCode = await withEsp({
    command,
    kernel: flags.kernel,
    newerKernel: flags.newerKernel ?? false,
    recipe: flags.recipe,
    memoryMib: flags.memory,
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    ...(flags.output === undefined ? {} : { outputFolder: flags.output }),
    shares: flags.show.map((path) => ({ path, mode: 'ro' as const })),
    terminal: flags.terminal ?? false,
    say: (line) => process.stderr.write(`with-esp: ${line}\n`),
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`with-esp: ${error.message}\n`);
  process.exitCode = 125;
}
