import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { type Completed, complete, type RunOptions, succeed } from './completed.ts';
import { Daemon } from './daemon.ts';

/** What runs commands as a node of the lab does, as far as readers of its kernel need it; a node of hack/cluster, too. */
export type Machine = Pick<LabNode, 'name' | 'run' | 'succeed' | 'ip'>;

/** A machine of the lab: a network namespace with interfaces, addresses and routes of its own. */
export class LabNode {
  readonly name: string;
  /** The kernel's name of its network namespace. */
  readonly namespace: string;
  readonly #logFolder: string;
  readonly #started: (daemon: Daemon) => void;

  /** Made by `createTopology`. `started` is told of each daemon, so that none outlives its scenario. */
  constructor(name: string, namespace: string, logFolder: string, started: (daemon: Daemon) => void) {
    this.name = name;
    this.namespace = namespace;
    this.#logFolder = logFolder;
    this.#started = started;
  }

  /** The command as it must be started to run inside this node. */
  inside(command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace, ...command];
  }

  /** Runs a program to its end; a failure is a code. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Completed> {
    return complete(this.inside(command), options);
  }

  /** Runs a program that must succeed and gives its standard output. */
  succeed(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return succeed(this.inside(command), options);
  }

  /** Runs `ip` with one command per line, all in one process. */
  async ip(...lines: readonly string[]): Promise<string> {
    return succeed(['ip', '-n', this.namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /**
   * The path of a log file that does not exist yet, NODE-LABEL.log or NODE-LABEL-2.log and so on: a daemon must not be
   * believed ready for what another one has said.
   */
  logFile(label: string): string {
    const path = join(this.#logFolder, `${this.name}-${label}`);
    for (let number = 1; ; number++) {
      const file = `${path}${number === 1 ? '' : `-${number}`}.log`;
      if (!existsSync(file)) return file;
    }
  }

  /** Starts a program in the background; its output goes to a log file in the scenario's log folder. */
  spawn(label: string, command: readonly string[], environment: Record<string, string> = {}): Daemon {
    const file = this.logFile(label);
    const daemon = new Daemon(`${label} on ${this.name}`, this.inside(command), file, environment);
    this.#started(daemon);
    return daemon;
  }

  /** Sets kernel parameters, such as `net.ipv4.ip_forward=1`. */
  async sysctl(...settings: readonly string[]): Promise<void> {
    await this.succeed(['sysctl', '-qw', ...settings]);
  }
}
