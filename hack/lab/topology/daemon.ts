import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

import { waitUntil } from '../runner/wait-until.ts';

/** How a daemon ended. */
export interface DaemonEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that runs in the background until it is stopped, its output in a log file. */
export class Daemon {
  readonly label: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<DaemonEnd>;
  #end: DaemonEnd | undefined;

  /** Starts the command in a process group of its own. */
  constructor(label: string, command: readonly string[], logFile: string, environment: Record<string, string> = {}) {
    this.label = label;
    this.logFile = logFile;
    const log = openSync(logFile, 'a');
    const [program = '', ...words] = command;
    this.#child = spawn(program, words, {
      stdio: ['pipe', log, log],
      detached: true,
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#end = { code, signal };
        resolve(this.#end);
      };
      this.#child.on('exit', end);
      this.#child.on('error', () => end(127, null));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended, undefined while it runs. */
  get end(): DaemonEnd | undefined {
    return this.#end;
  }

  /** Everything it has said so far. */
  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until the log contains the text; fails at once if the daemon ends before. */
  async said(text: string | RegExp, timeoutMs = 20_000): Promise<void> {
    const found = () => (typeof text === 'string' ? this.log().includes(text) : text.test(this.log()));
    await waitUntil(
      `${this.label} to say ${text}`,
      () => {
        if (found()) return true;
        if (this.#end !== undefined) throw new Error(`${this.label} ended (${endText(this.#end)})\n${this.log()}`);
        return false;
      },
      { timeoutMs },
    );
  }

  /** Signals its process group; one that has ended already is no error. */
  signal(name: NodeJS.Signals): void {
    if (this.pid === 0 || this.#end !== undefined) return;
    try {
      process.kill(-this.pid, name);
    } catch {
      return;
    }
  }

  /** Waits for its end. */
  async exited(timeoutMs = 20_000): Promise<DaemonEnd> {
    await waitUntil(`${this.label} to end`, () => this.#end !== undefined, { timeoutMs });
    return this.#ended;
  }

  /** Asks it to end (TERM) and kills it when it has not after the grace. */
  async stop(graceMs = 5000): Promise<DaemonEnd> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    const end = await this.#ended;
    clearTimeout(timer);
    return end;
  }

  /** Ends it as a crash would (KILL). */
  async kill(): Promise<DaemonEnd> {
    this.signal('SIGKILL');
    return this.#ended;
  }
}

function endText(end: DaemonEnd): string {
  return end.signal ?? `code ${end.code}`;
}
