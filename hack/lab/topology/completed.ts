import { spawn } from 'node:child_process';

/** How a program in the lab ended. */
export interface Completed {
  /** Exit code; 128 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  /** Killed after this time, the code is then 128. Default 30 s: nothing in the lab waits without a bound. */
  readonly timeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and collects what it says; a failure is a code, never an exception. */
export function complete(command: readonly string[], options: RunOptions = {}): Promise<Completed> {
  return new Promise((resolve) => {
    const [program = '', ...words] = command;
    const child = spawn(program, words, {
      stdio: 'pipe',
      env: { ...process.env, ...options.environment },
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    child.on('error', (error) => resolve({ code: 127, stdout: '', stderr: `${program}: ${error.message}` }));
    child.on('close', (code) =>
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    // A program that ends without reading its input is judged by its code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program that must succeed and gives its standard output; throws with everything it said otherwise. */
export async function succeed(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const done = await complete(command, options);
  if (done.code === 0) return done.stdout;
  throw new Error(`'${command.join(' ')}' ended with ${done.code}: ${`${done.stdout}${done.stderr}`.trim()}`);
}
