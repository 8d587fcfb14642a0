import { spawn } from 'node:child_process';

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Its standard input; empty unless given. */
  readonly input?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Aborting it ends the program, which then is an error. */
  readonly signal?: AbortSignal;
}

/** Runs a program to its end and collects what it says. */
export function runProgram(path: string, words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { environment = process.env, signal } = options;
    const child = spawn(path, words, { stdio: ['pipe', 'pipe', 'pipe'], env: environment, signal });
    const pieces = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (piece: string) => {
        pieces[name] += piece;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 128, ...pieces }));
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
