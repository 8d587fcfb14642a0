import { CommanderError } from 'commander';

import { programOf } from '../program.ts';

/** What the plugin printed, and how it ended. */
export interface PluginRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

// Tests name their cluster; that of whoever runs them is none of theirs.
delete process.env['KUBECONFIG'];

/** Runs the plugin as from a command line, without a terminal. */
export async function runPlugin(...words: readonly string[]): Promise<PluginRun> {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts) => ({
    write: (text: string) => {
      texts[name] += text;
    },
  });
  let code = -1;
  const surroundings = { stdout: stream('stdout'), stderr: stream('stderr'), env: {}, wallMs: () => Date.now() };
  const program = programOf(surroundings, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    code = error.exitCode === 0 ? 0 : 2;
  }
  return { code, ...texts };
}
