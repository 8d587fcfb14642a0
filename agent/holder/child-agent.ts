import { type ChildProcess, spawn } from 'node:child_process';

/** What runs below a holder. */
export interface ChildAgentParts {
  readonly command: readonly [string, ...string[]];
  readonly log: (text: string) => void;
  /** It has ended because it was to, with this exit code. */
  readonly onEnd: (code: number) => void;
}

/**
 * The agent as a child of its holder: started again when it crashed or was killed, or when it is to be another one. One
 * that has ended on its own accord has said why, and is not started again.
 */
export class ChildAgent {
  readonly #parts: ChildAgentParts;
  #child: ChildProcess | undefined;
  #isEnding = false;
  #isRestarting = false;

  constructor(parts: ChildAgentParts) {
    this.#parts = parts;
    this.#start();
  }

  /** Has the child do what it does at a signal, such as to read its configuration again. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it for good. */
  end(signal: NodeJS.Signals): void {
    this.#isEnding = true;
    if (this.#child === undefined) this.#parts.onEnd(0);
    else this.#child.kill(signal);
  }

  /** Ends it and starts it again, as after an update of its program. */
  restart(): void {
    this.#isRestarting = true;
    this.#child?.kill('SIGTERM');
  }

  #start(): void {
    const [program, ...words] = this.#parts.command;
    // In a process group of its own: what a terminal sends to ours is passed on, and would come twice.
    const child = spawn(program, words, { stdio: 'inherit', detached: true });
    this.#child = child;
    child.once('error', (error) => {
      this.#parts.log(`${program} cannot be started: ${error.message}`);
      this.#parts.onEnd(CANNOT_START);
    });
    child.once('exit', (code, signal) => this.#ended(code, signal));
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    const isRestarting = this.#isRestarting;
    this.#isRestarting = false;
    if (this.#isEnding) this.#parts.onEnd(code ?? KILLED);
    else if (isRestarting) this.#start();
    else if (code !== null && DELIBERATE.has(code)) this.#parts.onEnd(code);
    else {
      this.#parts.log(`the agent ended by ${signal ?? `exit code ${code}`}: it is started again`);
      setTimeout(() => (this.#isEnding ? undefined : this.#start()), RESTART_PAUSE_MS);
    }
  }
}

/** Done; the configuration is wrong; the host does not let it. */
const DELIBERATE: ReadonlySet<number> = new Set([0, 2, 3]);
const KILLED = 137;
const CANNOT_START = 127;
/** One that crashes at its start is not to fill a processor. */
const RESTART_PAUSE_MS = 500;
