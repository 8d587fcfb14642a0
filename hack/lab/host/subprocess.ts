import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { guard } from './guard.ts';

/** How a helper program on the host ended. */
export interface Ended {
  readonly code: number;
  /** Standard output and standard error in the order of arrival. */
  readonly output: string;
}

export interface RunToEndOptions {
  /** Aborting it ends the program's whole group. */
  readonly signal?: AbortSignal;
  /** The program's group ends and this folder goes when this process dies, however it dies. */
  readonly removedOnDeath?: string;
  /** Told each line that the program says. */
  readonly onLine?: (line: string) => void;
}

/** Runs a helper program on the host, in a process group of its own, and collects what it says. */
export function runToEnd(command: readonly [string, ...string[]], options: RunToEndOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const [program, ...words] = command;
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    if (options.removedOnDeath !== undefined) guard(child, options.removedOnDeath);
    const pieces: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      if (options.onLine !== undefined) createInterface({ input: stream }).on('line', options.onLine);
    }
    const kill = () => killGroup(child.pid, 'SIGTERM');
    options.signal?.addEventListener('abort', kill, { once: true });
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.on('close', (code) => {
      options.signal?.removeEventListener('abort', kill);
      resolve({ code: code ?? 128, output: Buffer.concat(pieces).toString() });
    });
  });
}

/** Signals a process group; one that has gone already is no error. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    return;
  }
}

/** The end of what a program said, where its reason stands. */
export function lastLines(output: string, count = 15): string {
  return output.trimEnd().split('\n').slice(-count).join('\n');
}
