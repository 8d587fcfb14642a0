import { basename } from 'node:path';

import { CommanderError } from 'commander';

import { goOnWithoutReaders } from '../closed-readers.ts';
import { completionsOf } from './completion/complete.ts';
import { nodeNames } from './completion/node-names.ts';
import { ExitCode } from './exit-code.ts';
import { programOf } from './program.ts';

// Some commands would go on for ever.
goOnWithoutReaders(() => process.exit(process.exitCode ?? ExitCode.Fine));

const surroundings = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  wallMs: () => Date.now(),
};
const program = programOf(surroundings, (code) => {
  process.exitCode = code;
});
const [, self = '', ...words] = process.argv;
const completed = basename(self).startsWith('kubectl_complete-')
  ? words
  : words[0] === '__complete'
    ? words.slice(1)
    : undefined;
try {
  if (completed === undefined) await program.parseAsync();
  else {
    const found = await completionsOf(program, completed, () => nodeNames(completed));
    // As kubectl expects it of a plugin; the 4 keeps shells from completing names of files instead.
    process.stdout.write(`${[...found, ':4'].join('\n')}\n`);
  }
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? ExitCode.Fine : ExitCode.Usage;
}
