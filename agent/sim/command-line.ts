import { availableParallelism } from 'node:os';

import { Command, InvalidArgumentError } from 'commander';

import { FAULT_FAMILIES, type FaultFamily } from './scenario.ts';

/** What the simulator was asked for. */
export interface Arguments {
  readonly seeds: number;
  readonly start: number;
  /** Undefined: each seed has its own number. */
  readonly nodes: number | undefined;
  readonly faults: ReadonlySet<FaultFamily>;
  /** Threads that seeds are shared out among. */
  readonly workers: number;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly shrink: boolean;
  /** Datagrams to lose in each order of what two sides do at the same time; undefined: seeds are run. */
  readonly interleavings: number | undefined;
  /** With interleavings: those that take minutes, too. */
  readonly full: boolean;
}

type Options = Omit<Arguments, 'interleavings'> & { readonly interleavings?: number | true };

/** Reads the command line; prints what is wrong with it and ends the process with 2 where something is. */
export function readArguments(argv: readonly string[]): Arguments {
  const command = new Command('npm run sim --')
    .description(
      'Runs IKE endpoints against each other in virtual time, and checks that nothing that must hold breaks.',
    )
    .option('--seeds <count>', 'how many seeds to run', positive, 100)
    .option('--start <seed>', 'the first seed', natural, 1)
    .option('--nodes <count>', 'number of nodes; by default each seed draws it', atLeastTwo)
    .option(
      '--faults <families>',
      `faults to inject: all, none, or some of ${FAULT_FAMILIES.join(',')}; all where left out`,
      families,
      ALL,
    )
    .option('--workers <count>', 'how many threads run them', positive, availableParallelism())
    .option('--json', 'print one JSON object for each failed seed and one for the sum', false)
    .option('--verbose', 'print every event as it happens, on one thread', false)
    .option('--interleavings [losses]', 'all that two sides may do at once, in every order, instead of seeds', natural)
    .option('--full', 'with --interleavings: those of two reauthentications, too, which take minutes', false)
    .option('--shrink', 'look for a smaller scenario that fails in the same way', false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  const options = command.parse([...argv], { from: 'user' }).opts<Options>();
  const { interleavings } = options;
  return { ...options, nodes: options.nodes, interleavings: interleavings === true ? 0 : interleavings };
}

/** The command that runs one seed again, with everything that is told about it. */
export function replayCommand(seed: number, { nodes, faults }: Arguments): string {
  const some = faults === ALL ? '' : ` --faults ${[...faults].join(',') || 'none'}`;
  const fixed = nodes === undefined ? '' : ` --nodes ${nodes}`;
  return `npm run sim -- --start ${seed} --seeds 1${fixed}${some} --verbose`;
}

function natural(text: string): number {
  if (!/^\d{1,15}$/u.test(text)) throw new InvalidArgumentError('a whole number is wanted.');
  return Number(text);
}

function positive(text: string): number {
  const value = natural(text);
  if (value === 0) throw new InvalidArgumentError('it must be at least 1.');
  return value;
}

function atLeastTwo(text: string): number {
  const value = natural(text);
  if (value < 2 || value > MOST_NODES) throw new InvalidArgumentError(`it must be from 2 to ${MOST_NODES}.`);
  return value;
}

function families(text: string): ReadonlySet<FaultFamily> {
  if (text === 'all') return ALL;
  if (text === 'none') return new Set();
  return new Set(
    text.split(',').map((word) => {
      const family = FAULT_FAMILIES.find((each) => each === word);
      if (family === undefined) throw new InvalidArgumentError(`there is no family "${word}".`);
      return family;
    }),
  );
}

const ALL: ReadonlySet<FaultFamily> = new Set(FAULT_FAMILIES);
/** Addresses of nodes have one byte. */
const MOST_NODES = 250;
