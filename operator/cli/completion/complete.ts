import type { Command, Option } from 'commander';

/** What may come in place of the last of some words; `nodes` is asked where a node's name may. */
export async function completionsOf(
  program: Command,
  words: readonly string[],
  nodes: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const options = (command: Command): readonly Option[] => [...command.options, ...program.options];
  const { command, given } = readWords(program, before, options);
  const previous = before.at(-1) ?? '';
  const awaited = command === undefined ? undefined : optionCalled(options(command), previous);
  const [, name = '', begun] = /^(--[^=]+)=(.*)$/.exec(current) ?? [];
  if (begun !== undefined) {
    const choices = optionCalled(options(command ?? program), name)?.argChoices ?? [];
    return choices.filter((each) => each.startsWith(begun)).map((each) => `${name}=${each}`);
  }
  if (awaited !== undefined && takesValue(awaited)) {
    const values = awaited.long === '--node' ? await nodes() : (awaited.argChoices ?? []);
    return values.filter((each) => each.startsWith(current));
  }
  const possible = current.startsWith('-')
    ? options(command ?? program).flatMap(({ long }) => long ?? [])
    : command === undefined
      ? program.commands.map((each) => each.name())
      : await argumentsOf(command, given, nodes);
  return [...new Set(possible)].filter((each) => each.startsWith(current)).sort();
}

/** Which command the words name, and how many arguments they have given it. */
function readWords(program: Command, words: readonly string[], options: (command: Command) => readonly Option[]) {
  let command: Command | undefined;
  let given = 0;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word.startsWith('-')) {
      const option = optionCalled(options(command ?? program), word);
      if (option !== undefined && takesValue(option)) index += 1;
    } else if (command === undefined) command = program.commands.find((each) => each.name() === word);
    else given += 1;
  }
  return { command, given };
}

async function argumentsOf(
  command: Command,
  given: number,
  nodes: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[given] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  return argument.argChoices ?? (NODES.has(argument.name()) ? nodes() : []);
}

function optionCalled(options: readonly Option[], word: string): Option | undefined {
  return options.find(({ long, short }) => word !== '' && (word === long || word === short));
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** Names of arguments that are nodes. */
const NODES: ReadonlySet<string> = new Set(['node', 'peer']);
