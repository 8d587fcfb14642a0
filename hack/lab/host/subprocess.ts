import { spawn } from 'node:child_process';

import { guard } from './guard.ts';

/** How a helper program on the host ended. */
export interface Ended {
  readonly code: number;
  /** Standard output and standard error in the order of arrival. */
  readonly output: string;
}

/**
 * Runs a helper program on the host, in a process group of its own, and collects what it says.
 * Aborting the signal ends the whole group; so does the death of this process where a folder is named, which is then
 * removed.
 */
export function runToEnd(
  command: readonly [string, ...string[]],
  signal?: AbortSignal,
  folder?: string,
): Promise<Ended> {
  return new Promise((resolve) => {
    const [program, ...words] = command;
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    if (folder !== undefined) guard(child, folder);
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    child.stderr.on('data', (piece: Buffer) => pieces.push(piece));
    const kill = () => killGroup(child.pid, 'SIGTERM');
    signal?.addEventListener('abort', kill, { once: true });
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', kill);
      resolve({ code: code ?? (killedBy === null ? 1 : 128), output: Buffer.concat(pieces).toString() });
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
