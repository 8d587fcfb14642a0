import { Argument, Command, InvalidArgumentError } from 'commander';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { adoptionBench } from './adoption.ts';
import { agentMemoryBench } from './agent-memory.ts';
import { type Bench, verdict } from './bench.ts';
import { clusterBench } from './cluster.ts';
import { codecBench } from './codec.ts';
import { cookieBench } from './cookie.ts';
import { espBench } from './esp.ts';
import { handshakeBench } from './handshake.ts';
import { thisMachine } from './machine.ts';
import { memoryBench } from './memory.ts';
import { meshBench } from './mesh.ts';
import { operatorBench } from './operator.ts';
import { plannerBench } from './planner.ts';
import { rekeyBench } from './rekey.ts';
import { jsonLine, machineText, resultText } from './report.ts';
import { scrapeBench } from './scrape.ts';

goOnWithoutReaders();

interface Flags {
  readonly json?: boolean;
  readonly quick?: boolean;
  readonly check?: boolean;
  readonly nodes?: readonly number[];
}

/** As many as have an address in the mesh's network. */
const MOST_NODES = 65_000;
const benches: readonly Bench[] = [
  handshakeBench,
  espBench,
  adoptionBench,
  memoryBench,
  agentMemoryBench,
  codecBench,
  cookieBench,
  rekeyBench,
  meshBench,
  scrapeBench,
  plannerBench,
  operatorBench,
  clusterBench,
];

const summaries = benches.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`);

await new Command('bench')
  .description(`Measures how fast ikemesh negotiates and how much memory it keeps.\n\n${summaries.join('\n')}`)
  .addArgument(new Argument('[name...]', 'which; all of them otherwise').choices(benches.map(({ name }) => name)))
  .option('--json', 'print each result as one line of JSON')
  .option('--quick', 'fewer and shorter rounds: seconds, and figures to match')
  .option(
    '--nodes <number...>',
    'sizes of the meshes that `mesh`, `scrape`, `planner` and `operator` measure',
    collectNodes,
  )
  .option('--check', 'exit with 1 when a target is missed')
  .action(run)
  .parseAsync();

async function run(names: readonly string[], flags: Flags): Promise<void> {
  const machine = thisMachine();
  const extent = flags.quick ? 'quick' : 'full';
  if (!flags.json) process.stdout.write(`${machineText(machine)}\n`);
  for (const bench of benches) {
    if (names.length > 0 ? !names.includes(bench.name) : bench.needsCluster === true) continue;
    const progress = (doing: string): void => void process.stderr.write(`bench ${bench.name}: ${doing}\n`);
    const results = await bench.run(extent, progress, { nodes: flags.nodes });
    for (const result of results) {
      process.stdout.write(flags.json ? `${jsonLine(result, machine)}\n` : `\n${resultText(result)}\n`);
      const missed = result.targets.some((target) => verdict(result, target) === 'missed');
      if (missed && flags.check) process.exitCode = 1;
    }
  }
}

function collectNodes(text: string, before: readonly number[] = []): readonly number[] {
  const nodes = Number(text);
  if (Number.isInteger(nodes) && nodes >= 2 && nodes <= MOST_NODES) return [...before, nodes];
  throw new InvalidArgumentError(`write a number from 2 to ${MOST_NODES}.`);
}
