import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { StatusReport } from '../../../agent/runtime/status/report.ts';
import { fetchStatus } from '../../../agent/runtime/status/status-client.ts';
import type { AgentOptions } from '../runner/scenario.ts';
import { type Completed, complete } from '../topology/completed.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { LoggedDaemon } from '../topology/logged-daemon.ts';

/** How our agent is started in a node. */
export interface AgentStart extends AgentOptions {
  /** The bundled agent. */
  readonly program: string;
  /** The bundled holder. */
  readonly holderProgram: string | undefined;
  /** Text of its configuration file. */
  readonly configuration: string;
  /** Folder for the configuration file and what stands beside it. */
  readonly folder: string;
}

/** Our agent, running in a node from a configuration file. */
export class AgentProcess extends LoggedDaemon {
  readonly configurationFile: string;
  readonly #start: AgentStart;
  readonly #socket: string;

  private constructor(node: LabNode, start: AgentStart, configurationFile: string) {
    // Nodes share a file system, and the place of their agents' sockets by default.
    const socket = start.socket ?? join(mkdtempSync(join(tmpdir(), `agent-${node.name}-`)), 'status.sock');
    const holder = start.holder === undefined ? [] : ['--holder', start.holder];
    const source = start.manifests === undefined ? ['--config', configurationFile] : ['--manifests', start.manifests];
    const words = [...source, '--socket', socket, ...holder, ...(start.arguments ?? [])];
    const parentWords = ['node', start.holderProgram ?? '', '--socket', start.holder ?? '', '--'];
    const parent = start.isChildOfHolder === true ? parentWords : [];
    const command = [...(start.under ?? []), ...parent, 'node', start.program, ...words];
    super(node, node.spawn('agent', command, { ...start.environment }));
    this.#start = start;
    this.#socket = socket;
    this.configurationFile = configurationFile;
  }

  /** Starts the agent; whether it accepts its configuration `ready` tells. */
  static start(node: LabNode, start: AgentStart): AgentProcess {
    const configurationFile = join(start.folder, `${node.name}.yaml`);
    writeFileSync(configurationFile, start.configuration, { mode: 0o600 });
    for (const [name, content] of Object.entries(start.files ?? {})) {
      writeFileSync(join(start.folder, name), content, { mode: 0o600 });
    }
    return new AgentProcess(node, start, configurationFile);
  }

  /** Replaces files beside its configuration file, one after the other. */
  writeFiles(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(this.#start.folder, name), content, { mode: 0o600 });
    }
  }

  /** Waits until it runs with its configuration; fails at once if it ends. */
  ready(timeoutMs?: number): Promise<void> {
    return this.logged('agent started', timeoutMs);
  }

  /** The path of its status socket. */
  get socket(): string {
    return this.#socket;
  }

  /** Replaces its configuration file and makes it read it (SIGHUP). */
  reload(configuration: string): void {
    writeFileSync(this.configurationFile, configuration, { mode: 0o600 });
    this.daemon.signal('SIGHUP');
  }

  /** Stops it in its tracks (SIGSTOP): its kernel goes on. */
  freeze(): void {
    this.daemon.signal('SIGSTOP');
  }

  /** Lets it go on (SIGCONT). */
  thaw(): void {
    this.daemon.signal('SIGCONT');
  }

  /** What `agent status --json` prints, without a program that would have to be started for it. */
  async status(): Promise<StatusReport> {
    const report = await fetchStatus(this.#socket);
    if (!report.ok) throw new Error(`${report.error}\n${this.log()}`);
    return report.value;
  }

  /** Runs another command of the agent's program against it, such as `status --json`. */
  command(name: string, ...words: readonly string[]): Promise<Completed> {
    return this.program(name, '--socket', this.#socket, ...words);
  }

  /** Runs the agent's program beside it. */
  program(...words: readonly string[]): Promise<Completed> {
    const command = ['node', this.#start.program, ...words];
    return complete(this.node.inside(command), { environment: { ...this.#start.environment } });
  }
}
