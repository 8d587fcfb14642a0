import { link, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { Completed, RunOptions } from '../../lab/topology/completed.ts';
import type { Machine } from '../../lab/topology/lab-node.ts';
import { ClusterError } from '../cluster-error.ts';
import type { DualStack } from '../network/address-plan.ts';
import { exists } from '../programs/files.ts';
import { ContainerProgram } from './container-program.ts';
import { Guest, type GuestOptions } from './guest.ts';
import { type CommandOutput, type RunningCommand, SerialCommands } from './serial-commands.ts';

export interface ClusterNodeOptions {
  readonly name: string;
  readonly addresses: DualStack;
  readonly machine: GuestOptions;
  /** Told whenever it has booted and listens to commands. */
  readonly booted: (node: ClusterNode) => void;
}

/** A machine of the cluster with kubelet, containerd and kube-proxy; it keeps its disk for as long as it is there. */
export class ClusterNode implements Machine {
  readonly name: string;
  readonly addresses: DualStack;
  readonly #options: ClusterNodeOptions;
  #guest: Guest | undefined;
  #commands: SerialCommands | undefined;

  constructor(options: ClusterNodeOptions) {
    this.name = options.name;
    this.addresses = options.addresses;
    this.#options = options;
  }

  /** The MAC address that its packets come from. */
  get mac(): string {
    return this.#options.machine.mac;
  }

  /** Its logs, keys and disk, on the host. */
  get folder(): string {
    return this.#options.machine.folder;
  }

  get isRunning(): boolean {
    return this.#guest !== undefined;
  }

  /** Switches it on and waits until it takes commands. */
  async boot(): Promise<void> {
    if (this.#guest !== undefined) throw new ClusterError(`${this.name} runs already`);
    const guest = new Guest(this.#options.machine);
    const commands = new SerialCommands(guest.serialLine, this.name);
    this.#guest = guest;
    this.#commands = commands;
    guest.ended.then(() => {
      if (this.#guest === guest) this.#guest = undefined;
    });
    const timer = setTimeout(() => guest.kill(), bootWithinMs);
    try {
      await commands.ready;
    } catch {
      throw new ClusterError(`${this.name} ended before it had booted; its console ends:\n${guest.console}`);
    } finally {
      clearTimeout(timer);
    }
    this.#options.booted(this);
  }

  /** Runs a program on it to its end, beside its network; a failure is a code. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Completed> {
    return this.#serial().run(command, options);
  }

  /** Runs a program that must succeed and gives its standard output. */
  async succeed(command: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options);
    if (code === 0) return stdout;
    throw new Error(`'${command.join(' ')}' on ${this.name} ended with ${code}: ${`${stdout}${stderr}`.trim()}`);
  }

  /** Runs `ip` with one command per line, all in one process. */
  ip(...lines: readonly string[]): Promise<string> {
    return this.succeed(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Starts a program on it. */
  start(command: readonly string[], output: CommandOutput): RunningCommand {
    return this.#serial().start(command, output);
  }

  /** The running container of that name as an end of a counted stream, whoever else of the cluster is away. */
  containerEnd(container: string): {
    readonly name: string;
    spawn(label: string, command: readonly string[]): ContainerProgram;
  } {
    return { name: this.name, spawn: (label, command) => new ContainerProgram(this, container, label, command) };
  }

  /** Ends kubelet, which is started again and then registers the node where the API server has no such Node any more. */
  async restartKubelet(): Promise<void> {
    await this.succeed(['pkill', '-x', 'kubelet']);
  }

  /** Has containerd import an archive of an image; a node that is switched off does so when it boots. */
  async importImage(archive: string): Promise<void> {
    const own = join(this.folder, 'images', basename(archive));
    if (!(await exists(own))) await link(archive, own);
    if (!this.isRunning) return;
    const { code, stderr } = await this.run(['sh', '/run/node/import-images.sh'], { timeoutMs: importWithinMs });
    if (code !== 0) throw new ClusterError(`${this.name}: ${stderr.trim()}`);
  }

  /** Ends everything on it in order and switches it off. */
  async shutDown(): Promise<void> {
    const guest = this.#guest;
    if (guest === undefined) return;
    // It ends the commands' own end, too, so nobody answers.
    this.run(['setsid', 'sh', '/run/node/shut-down.sh']).catch(() => undefined);
    const timer = setTimeout(() => guest.kill(), shutDownWithinMs);
    await guest.ended;
    clearTimeout(timer);
  }

  /** Cuts its power. */
  async crash(): Promise<void> {
    await this.#guest?.kill();
  }

  /** Shuts it down, or cuts its power, and boots it again. */
  async reboot({ crash = false }: { readonly crash?: boolean } = {}): Promise<void> {
    await (crash ? this.crash() : this.shutDown());
    await this.boot();
  }

  /** Switches it off for good and removes its disk. */
  async remove(): Promise<void> {
    await this.crash();
    await rm(this.folder, { recursive: true, force: true });
  }

  #serial(): SerialCommands {
    if (this.#guest === undefined || this.#commands === undefined)
      throw new ClusterError(`${this.name} is switched off`);
    return this.#commands;
  }
}

const bootWithinMs = 120_000;
const importWithinMs = 120_000;
const shutDownWithinMs = 20_000;
