import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { guard } from '../../lab/host/guard.ts';
import { killGroup, lastLines } from '../../lab/host/subprocess.ts';
import { ClusterError } from '../cluster-error.ts';
import { PortTakenError } from '../network/port-taken-error.ts';
import { askProbe, type Probe } from './probe.ts';

/** A server of the control plane. */
export interface ComponentOptions {
  readonly name: string;
  /** The program, and before it whatever else starts it. */
  readonly command: readonly [string, ...string[]];
  readonly flags: readonly string[];
  /** Appended to. */
  readonly logFile: string;
  /** Removed when this process dies before the component does. */
  readonly folder: string;
  readonly ready: Probe;
  /** Told what takes longer than a second. */
  readonly say: (line: string) => void;
}

/** A server as a process of its own, which ends at the latest with this one. It can be started again. */
export class Component {
  readonly #options: ComponentOptions;
  #child: ChildProcess | undefined;

  constructor(options: ComponentOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Its process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts it and waits until it is ready.
   * @throws PortTakenError, or ClusterError with the end of its log, when it ends or is not ready in time.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { name, command, flags, logFile, folder } = this.#options;
    signal.throwIfAborted();
    const [program, ...words] = command;
    const log = openSync(logFile, 'a');
    const child = spawn(program, [...words, ...flags], { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    let ended: string | undefined;
    child.on('error', (error) => {
      ended = error.message;
    });
    child.on('exit', (code, by) => {
      ended = code === null ? `killed by ${by}` : `exit code ${code}`;
      if (this.#child === child) this.#child = undefined;
    });
    if (child.pid !== undefined) guard(child, folder);
    const started = performance.now();
    let told = false;
    for (;;) {
      const refusal = await askProbe(this.#options.ready);
      if (refusal === undefined) return;
      signal.throwIfAborted();
      if (ended !== undefined) throw this.#failure(`ended before it was ready (${ended})`);
      const waitedMs = performance.now() - started;
      if (waitedMs > readyWithinMs) throw this.#failure(`was not ready after ${readyWithinMs / 1000} s: ${refusal}`);
      if (waitedMs > toldAfterMs && !told) {
        told = true;
        this.#options.say(`waiting for ${name} (at most ${readyWithinMs / 1000} s): ${refusal}`);
      }
      await delay(probeEveryMs, undefined, { signal });
    }
  }

  /** Ends it, with the time that it takes to end in order, and waits for the end. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM', gracefulMs);
  }

  /** Ends it at once, as a crash would, and waits for the end. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', 0);
  }

  async #end(signal: NodeJS.Signals, patienceMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    killGroup(child.pid, signal);
    const last = setTimeout(() => killGroup(child.pid, 'SIGKILL'), patienceMs);
    await gone;
    clearTimeout(last);
  }

  #failure(what: string): ClusterError {
    const { name, logFile } = this.#options;
    const end = lastLines(readFileSync(logFile, 'utf8'));
    if (/address already in use/.test(end)) return new PortTakenError(`${name}: a port was taken meanwhile`);
    return new ClusterError(`${name} ${what}; the end of its log:\n${end}`);
  }
}

const probeEveryMs = 25;
const toldAfterMs = 5000;
const readyWithinMs = 90_000;
const gracefulMs = 10_000;
