import type { Launched } from './launch.ts';

/**
 * Signals to the launcher, and the end of its patience. The command gets the first signal and some seconds to end by
 * itself; after these, or at a second signal, everything is killed.
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #launched: Launched | undefined;
  #by: NodeJS.Signals | undefined;
  #timedOut = false;

  constructor() {
    for (const name of forwarded) process.on(name, this.#receive);
  }

  /** Aborted by the first signal. */
  get aborted(): AbortSignal {
    return this.#controller.signal;
  }

  /** The last signal that came. */
  get by(): NodeJS.Signals | undefined {
    return this.#by;
  }

  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** From now on signals go to the command. */
  passTo(launched: Launched): void {
    this.#launched = launched;
  }

  /** Ends the command after a time. */
  after(timeoutMs: number, say: (line: string) => void): void {
    const end = () => {
      this.#timedOut = true;
      say(`the command did not end within ${timeoutMs / 1000} s and is stopped`);
      this.#end('SIGTERM');
    };
    this.#timers.push(setTimeout(end, timeoutMs));
  }

  stopListening(): void {
    for (const name of forwarded) process.off(name, this.#receive);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  readonly #receive = (name: NodeJS.Signals): void => {
    if (this.#by !== undefined) this.#launched?.kill();
    this.#by = name;
    this.#controller.abort();
    this.#end(name);
  };

  #end(name: NodeJS.Signals): void {
    this.#launched?.signal(name);
    this.#timers.push(setTimeout(() => this.#launched?.kill(), graceMs));
  }
}

const forwarded: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const graceMs = 5000;
