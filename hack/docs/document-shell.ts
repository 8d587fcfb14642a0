import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type Ended, runProgram } from '../cluster/control-plane/run-program.ts';
import { projectFolder } from '../image/build-image.ts';
import { commandsOf } from './commands-of.ts';

/** A shell in the project's folder, in which the programs of a cluster have the names that documents give them. */
export class DocumentShell {
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /** `programs` are commands by the names that they are to have; `folder` takes them. */
  static async create(
    folder: string,
    kubeconfig: string,
    programs: Readonly<Record<string, readonly string[]>>,
  ): Promise<DocumentShell> {
    const bin = join(folder, 'bin');
    await mkdir(bin, { recursive: true });
    for (const [name, command] of Object.entries(programs)) {
      const words = command.map((word) => `'${word}'`).join(' ');
      await writeFile(join(bin, name), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    }
    return new DocumentShell({
      ...process.env,
      HOME: folder,
      KUBECONFIG: kubeconfig,
      PATH: `${bin}:${process.env['PATH']}`,
    });
  }

  /** Runs a text as bash does. */
  run(text: string): Promise<Ended> {
    const script = `set -o pipefail; cd '${projectFolder}'; ${text}`;
    return runProgram('bash', ['-c', script], { environment: this.#environment });
  }

  /** Runs the one command of a document that begins so, with what stands for something of the reader's replaced. */
  async runDocumented(
    document: string,
    beginning: string,
    replaced: Readonly<Record<string, string>> = {},
  ): Promise<Ended> {
    const commands = commandsOf(document, await readFile(join(projectFolder, document), 'utf8'));
    const found = commands.filter(({ text }) => text.startsWith(beginning));
    const [one] = found;
    if (one === undefined || found.length > 1)
      throw new Error(`${document} has ${found.length} commands that begin with: ${beginning}`);
    let { text } = one;
    for (const [word, value] of Object.entries(replaced)) {
      if (!text.includes(word)) throw new Error(`'${word}' is not in: ${text}`);
      text = text.replaceAll(word, value);
    }
    return this.run(text);
  }
}
