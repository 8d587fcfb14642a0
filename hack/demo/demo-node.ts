import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusReport } from '../../agent/runtime/status/report.ts';
import { fetchStatus } from '../../agent/runtime/status/status-client.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';
import type { Daemon } from '../lab/topology/daemon.ts';
import type { LabNode } from '../lab/topology/lab-node.ts';
import type { DevelopmentAuthority } from './development-authority.ts';
import type { MeshNode } from './plan-mesh.ts';

/** A node of the lab with an agent that works from a folder of manifests: what is for this node, and nothing else. */
export class DemoNode {
  readonly machine: LabNode;
  readonly #node: MeshNode;
  readonly #program: string;
  readonly #folder: string;
  #agent: Daemon | undefined;

  constructor(node: MeshNode, machine: LabNode, program: string) {
    this.machine = machine;
    this.#node = node;
    this.#program = program;
    // Nodes share a file system.
    this.#folder = join('/run/ikemesh', node.name);
  }

  get name(): string {
    return this.#node.name;
  }

  /** The words behind `agent`. */
  get words(): readonly string[] {
    return ['--manifests', this.#manifests, '--socket', this.#socket];
  }

  /** Lays down the manifests and a certificate and starts the agent; answers the certificate's serial number. */
  async start(planned: string, authority: DevelopmentAuthority): Promise<string> {
    mkdirSync(this.#manifests, { recursive: true, mode: 0o700 });
    const wanted = readdirSync(planned).filter(
      (file) => file === `ipsecnodeconfig-${this.name}.yaml` || file.startsWith('ipsecpeerslice-'),
    );
    for (const file of wanted) copyFileSync(join(planned, file), join(this.#manifests, file));
    const serial = await this.renew(authority);
    this.#agent = this.machine.spawn('agent', ['node', this.#program, ...this.words, '--log-format', 'json']);
    return serial;
  }

  /** Replaces the Secret with the key and the certificate, which the agent is to notice; answers the new serial number. */
  renew(authority: DevelopmentAuthority): Promise<string> {
    return authority.issue(this.#node, join(this.#manifests, `secret-${this.#node.secretName}.yaml`));
  }

  /** Waits until so many connections have all of their SAs in the kernel; fails at once if the agent ends. */
  async encrypts(connections: number, say: (line: string) => void): Promise<void> {
    await waitUntil(
      `${this.name} to encrypt with all of its peers`,
      async () => {
        if (this.#agent?.end !== undefined) throw new Error(`the agent of ${this.name} ended:\n${this.#agent.log()}`);
        const peers = (await this.#report())?.peers ?? [];
        return peers.filter(({ state }) => state === 'encrypting').length >= connections;
      },
      { timeoutMs: 30_000, say },
    );
  }

  /** The serial numbers of the certificates by which a node has proven itself last to this one, one a connection. */
  async provenSerials(peer: string): Promise<readonly (string | undefined)[]> {
    const peers = (await this.#report())?.peers ?? [];
    return peers
      .filter(({ remoteIdentity }) => remoteIdentity.startsWith(`${peer}.`))
      .map(({ certificate }) => certificate?.serial);
  }

  /** What `agent status` prints. */
  statusText(): Promise<string> {
    return this.machine.succeed(['node', this.#program, 'status', '--socket', this.#socket]);
  }

  /** Undefined before the agent answers. */
  async #report(): Promise<StatusReport | undefined> {
    const report = await fetchStatus(this.#socket);
    return report.ok ? report.value : undefined;
  }

  get #manifests(): string {
    return join(this.#folder, 'manifests');
  }

  get #socket(): string {
    return join(this.#folder, 'agent.sock');
  }
}
