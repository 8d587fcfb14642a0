import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { goOnWithoutReaders } from '../agent/closed-readers.ts';
import { LabError } from '../hack/lab/host/lab-error.ts';
import { positiveNumber } from '../hack/lab/host/positive-number.ts';
import { labFailureCode } from '../hack/lab/runner/run-guests.ts';
import { EARLIER_COMMIT } from './earlier-source.ts';
import { chooseRows } from './lifecycle/choice.ts';
import { clusterEvents } from './lifecycle/cluster-events.ts';
import { events } from './lifecycle/events.ts';
import { type Family, families, type Mode, modes } from './lifecycle/row.ts';
import { type MatrixOptions, runMatrix } from './lifecycle/run.ts';

goOnWithoutReaders();

interface Flags extends MatrixOptions {
  readonly list?: boolean;
  readonly mode?: Mode;
  readonly family?: Family;
  readonly full: boolean;
  readonly quick: boolean;
}

const program = new Command('e2e').description('What is promised to users, measured.');
program
  .command('lifecycle')
  .description('what becomes of packets when keys, agents, nodes and configurations change: a row for each case')
  .argument('[event...]', 'names of events; all of them where none is named')
  .option('--list', 'name the events')
  .option('--full', 'those that take minutes, too, and those on a cluster', false)
  .option('--quick', 'one row for each of those that npm test has', false)
  .addOption(new Option('--mode <mode>', 'in that mode only').choices(modes))
  .addOption(new Option('--family <family>', 'by that family only').choices(families))
  .option('--json', 'an object a line instead of a table', false)
  .option('--earlier <commit>', 'what agents are upgraded from', EARLIER_COMMIT)
  .option('--guests <count>', 'how many rows at a time', positiveNumber, Math.min(4, availableParallelism()))
  .option('--memory <MiB>', 'memory of each guest', positiveNumber, 1024)
  .option('--output <folder>', 'keep logs and captures there; otherwise only those of broken rows are kept')
  .option('--results <file>', 'write the counts there, as JSON')
  .action(lifecycle);

async function lifecycle(names: readonly string[], flags: Flags): Promise<void> {
  if (flags.list === true) {
    const width = Math.max(...[...events, ...clusterEvents].map(({ name }) => name.length));
    for (const { name, description, worth } of events) {
      process.stdout.write(`${name.padEnd(width)}  ${description}${worth === 'long' ? ' (with --full)' : ''}\n`);
    }
    for (const { name, description } of clusterEvents) {
      process.stdout.write(`${name.padEnd(width)}  ${description} (with --full, on a cluster)\n`);
    }
    return;
  }
  const { full, quick, mode, family } = flags;
  const rows = chooseRows(events, clusterEvents, { names, full, quick, mode, family });
  if (!rows.ok) throw new LabError(rows.error);
  process.exitCode = await runMatrix(rows.value, flags);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`e2e: ${error.message}\n`);
  process.exitCode = labFailureCode;
}
