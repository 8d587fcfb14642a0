import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { Daemon } from '../../lab/topology/daemon.ts';
import { ClusterError } from '../cluster-error.ts';
import { runProgram } from '../control-plane/run-program.ts';
import { PortTakenError } from './port-taken-error.ts';
import { rootEnvironment, rootProgram } from './root-program.ts';

/**
 * A network namespace that lasts as long as the process in it, which ends with this one. It has no name and no mount, so
 * nothing of it can be left. Nothing of the host's network is touched.
 */
export class NetworkNamespace {
  readonly #holder: ChildProcess;
  readonly #root: string;

  private constructor(holder: ChildProcess, root: string) {
    this.#holder = holder;
    this.#root = root;
  }

  /**
   * Makes one. Its tools, such as ip and tcpdump, are those of a root folder, so that the host needs none of them.
   * @throws ClusterError where this machine lets us make none.
   */
  static async create(root: string): Promise<NetworkNamespace> {
    const holder = spawn('unshare', ['--net', '--', process.execPath, join(import.meta.dirname, 'forwarder.ts')], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
    });
    let said = '';
    holder.stderr?.on('data', (piece: Buffer) => {
      said += piece.toString();
    });
    await new Promise<void>((resolve, reject) => {
      holder.once('message', () => resolve());
      holder.once('error', reject);
      holder.once('exit', () => reject(new ClusterError(`no network namespace can be made here: ${said.trim()}`)));
    });
    holder.removeAllListeners('exit');
    const namespace = new NetworkNamespace(holder, root);
    await namespace.ip('link set lo up');
    return namespace;
  }

  /** The command as it must be started to run in here with the programs of the host. */
  inside(command: readonly string[]): [string, ...string[]] {
    return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`, '--', ...command];
  }

  /** Runs `ip` with one command per line, all in one process. */
  async ip(...lines: readonly string[]): Promise<string> {
    const [program, ...words] = this.inside(rootProgram(this.#root, 'ip', ['-s', '-json', '-batch', '-']));
    const options = { input: `${lines.join('\n')}\n`, environment: rootEnvironment };
    const { code, stdout, stderr } = await runProgram(program, words, options);
    if (code !== 0) throw new ClusterError(`the network of the nodes cannot be made: ${stderr.trim()}`);
    return stdout;
  }

  /** Starts tcpdump, which ends at the latest with this process. */
  tcpdump(label: string, words: readonly string[], logFile: string): Daemon {
    const command = this.inside(rootProgram(this.#root, 'tcpdump', words));
    return new Daemon(label, ['setpriv', '--pdeathsig', 'KILL', '--', ...command], logFile, rootEnvironment);
  }

  /**
   * Whoever connects to one of the ports at a loopback address of the host reaches the same port at that address in here.
   * @throws PortTakenError when somebody has taken one meanwhile.
   */
  async forward(ports: readonly number[], address: string): Promise<void> {
    for (const port of ports) {
      const listener = createServer();
      await new Promise<void>((resolve, reject) => {
        listener.once('error', () => reject(new PortTakenError(`port ${port} at ${address} was taken meanwhile`)));
        listener.listen(port, address, resolve);
      });
      await new Promise<void>((resolve, reject) => {
        this.#holder.once('message', () => resolve());
        this.#holder.send({ port, address }, listener, (error) => (error === null ? undefined : reject(error)));
      });
      // The other process has it; this one would accept some of the connections itself.
      listener.close();
    }
  }

  /** Ends it; what still runs in here keeps the kernel's part of it until it has ended, too. */
  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#holder.once('exit', resolve));
    this.#holder.kill('SIGKILL');
    await gone;
  }
}
