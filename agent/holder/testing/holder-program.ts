import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '../../holder.ts');

/** The holder as a process of its own, as it is used: its clients wait for its answers. */
export class HolderProgram {
  readonly #child: ChildProcess;
  #said = '';

  constructor(words: readonly string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#said += String(chunk);
      });
    }
  }

  /** One that answers at `path`. */
  static async at(path: string, ...command: readonly string[]): Promise<HolderProgram> {
    const holder = new HolderProgram(['--socket', path, ...(command.length === 0 ? [] : ['--', ...command])]);
    await holder.says('holding sockets');
    return holder;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** All that it has said. */
  get said(): string {
    return this.#said;
  }

  /** How many descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Waits until it has said this so many times. */
  async says(text: string, times = 1): Promise<void> {
    await until(
      `the holder says "${text}"`,
      () => this.#said.split(text).length > times,
      () => this.#said,
    );
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Its exit code or signal. */
  async ended(): Promise<number | string> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode ?? String(signalCode);
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, string | null];
    return code ?? String(signal);
  }

  async end(name: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    this.signal(name);
    return this.ended();
  }
}

/** Waits until something is so. */
export async function until(what: string, isSo: () => boolean, details: () => string = () => ''): Promise<void> {
  const end = performance.now() + MOST_MS;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`in vain: ${what}\n${details()}`);
    await delay(10);
  }
}

/** A process starts in a second, on a busy machine in several. */
const MOST_MS = 20_000;
