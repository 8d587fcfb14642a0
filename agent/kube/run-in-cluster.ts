import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { err, ok, type Result } from '../result.ts';
import { systemClock, systemTimers } from '../runtime/clock-system.ts';
import { resolveHost } from '../runtime/config/resolve-host.ts';
import type { Signals } from '../runtime/run.ts';
import { type StartParts, startAgent } from '../runtime/start-agent.ts';
import { environmentFailure, type StartFailure } from '../runtime/start-failure.ts';
import { StatusServer } from '../runtime/status/status-server.ts';
import { ValidityWatch } from '../runtime/validity-watch.ts';
import { VERSION } from '../runtime/version.ts';
import { ApiClient } from './api-client.ts';
import type { ApiServer, TokenSource } from './cluster-access.ts';
import { ClusterAgent } from './cluster-agent.ts';
import { ClusterState } from './cluster-state.ts';
import { CredentialFiles } from './credential-files.ts';
import { removeUnfinished } from './durable-file.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import { nodeStatus } from './node-status.ts';
import { NodeToken } from './node-token.ts';
import { StatusWriter } from './status-writer.ts';

/** What an agent in a cluster depends on. */
export interface ClusterOptions extends StartParts {
  readonly nodeName: string;
  /** Of the nodes' Secrets. */
  readonly namespace: string;
  readonly podUid: string;
  /** Folder on the node that outlives the pod. */
  readonly stateFolder: string;
  /** Status socket; keys and certificates are beside it, in memory. */
  readonly socket: string;
  readonly server: ApiServer;
  readonly token: TokenSource;
  readonly signals: Signals;
}

/** Whether this pod is ready, as its probe asks. */
export interface Readiness {
  readonly ready: boolean;
  /** What it waits for, as a sentence. */
  readonly text: string;
}

/** Runs the agent of a node until a signal ends it; or why it could not start. */
export async function runInCluster(options: ClusterOptions): Promise<Result<void, StartFailure>> {
  const { log, nodeName, stateFolder } = options;
  await removeUnfinished(stateFolder);
  const running = new RunningInCluster(options);
  const server = await StatusServer.listen(options.socket, () => running.report());
  if (!server.ok) return err(environmentFailure(server.error));
  log.info({ node: nodeName, version: VERSION, state: stateFolder }, 'waiting for what this node is to do');
  let told = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    options.signals.on(signal, () => {
      told = true;
      running.wake();
    });
  }
  await running.run(() => told);
  server.value.close();
  log.info({ kernel: 'left as it is' }, 'agent ended');
  return ok(undefined);
}

class RunningInCluster {
  readonly #options: ClusterOptions;
  readonly #state: ClusterState;
  readonly #agent: ClusterAgent;
  readonly #writer: StatusWriter;
  readonly #kept: ConfigurationFile;
  readonly #clients: readonly ApiClient[];
  readonly #validity: ValidityWatch;
  readonly #startedAt = systemClock.monotonicMs();
  readonly #identity: { readonly podUID: string; readonly bootID: string; readonly version: string };
  #lock: StatusServer | undefined;
  #standby = false;
  #isDue = true;
  #wake: () => void = () => {};
  #latest: ReturnType<typeof nodeStatus> | undefined;

  constructor(options: ClusterOptions) {
    const { log, nodeName, namespace, provider, podUid } = options;
    this.#options = options;
    this.#identity = { podUID: podUid, bootID: bootId(), version: VERSION };
    const client = new ApiClient(options.server, options.token);
    const nodeToken = new NodeToken({ client, nodeName, namespace, wallMs: () => systemClock.wallMs() });
    const nodeClient = new ApiClient(options.server, () => nodeToken.token());
    this.#clients = [client, nodeClient];
    const files = new CredentialFiles(join(options.socket, '..', 'credentials'));
    const wallMs = (): number => systemClock.wallMs();
    const onChange = (): void => this.wake();
    this.#state = new ClusterState({
      nodeName,
      namespace,
      client,
      nodeClient,
      onRefused: () => nodeToken.forget(),
      files,
      log,
      random: Math.random,
      wallMs,
      onChange,
    });
    this.#kept = new ConfigurationFile(options.stateFolder, nodeName);
    this.#agent = new ClusterAgent({
      nodeName,
      state: this.#state,
      kept: this.#kept,
      services: { provider, resolveHost: remembering(resolveHost), clock: systemClock, files },
      startAgent: (config) => startAgent(options, config),
      openDataplane: options.openDataplane,
      log,
    });
    this.#validity = new ValidityWatch({ clock: systemClock, timers: systemTimers, onValid: onChange });
    this.#writer = new StatusWriter({
      client,
      nodeName,
      monotonicMs: () => systemClock.monotonicMs(),
      random: Math.random,
      onFailure: (failure) => {
        if (failure !== undefined) log.warn({ text: failure.message }, 'the status cannot be written');
      },
    });
  }

  /** Something may have to be done. */
  wake(): void {
    this.#isDue = true;
    this.#wake();
  }

  async run(isTold: () => boolean): Promise<void> {
    this.#state.start();
    while (!isTold()) {
      if (this.#isDue || this.#isTimeForPeers()) {
        // What comes at the same time is done at the same time.
        await sleep(SETTLE_MS);
        this.#isDue = false;
        await this.#step();
      }
      await this.#pause((await this.#offerStatus()) ?? LOOK_MS);
    }
    this.#state.stop();
    this.#validity.await(undefined);
    this.#agent.stop();
    this.#lock?.close();
    for (const client of this.#clients) client.close();
  }

  /** What the status socket answers. */
  report(): object {
    const readiness = this.#readiness();
    const report = this.#agent.agent?.status();
    const kubernetes = { ...readiness, status: this.#latest };
    return report === undefined ? { error: readiness.text, kubernetes } : { ...report, kubernetes };
  }

  async #step(): Promise<void> {
    const { log } = this.#options;
    if (!(await this.#mayBegin())) return;
    try {
      await this.#agent.reconcile();
    } catch (error) {
      log.error(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'defect: the configuration was not applied',
      );
    }
    this.#validity.await(this.#agent.desired?.config.credentials.validFromMs);
  }

  /** Not before the agent before this one has ended, and not before it is known what is to be done. */
  async #mayBegin(): Promise<boolean> {
    if (!(await this.#takeOver())) return false;
    if (this.#agent.agent !== undefined || this.#state.isComplete) return true;
    if (systemClock.monotonicMs() - this.#startedAt < PATIENCE_MS) return false;
    if (this.#state.header !== undefined) return true;
    const { log } = this.#options;
    const kept = await this.#kept.read();
    if (!kept.ok) log.warn({ text: kept.error }, 'the kept configuration is not used');
    else if (kept.value !== undefined) {
      log.warn({ file: this.#kept.path }, 'the API server says nothing: beginning with what was kept of the last run');
      this.#state.restore(kept.value);
    }
    return this.#state.header !== undefined;
  }

  /** One agent a node: while a pod is replaced the new one stands by, ready, until the old one is gone. */
  async #takeOver(): Promise<boolean> {
    if (this.#lock !== undefined) return true;
    const listening = await StatusServer.listen(join(this.#options.stateFolder, LOCK), () => this.report());
    if (listening.ok) {
      this.#lock = listening.value;
      this.#standby = false;
      return true;
    }
    const isAnswered = listening.error.startsWith('another agent answers');
    if (this.#standby !== isAnswered || !isAnswered)
      this.#options.log.info({ text: listening.error }, 'standing by until the agent before this one has ended');
    this.#standby = isAnswered;
    return false;
  }

  #readiness(): Readiness {
    if (this.#standby) return { ready: true, text: 'standing by until the agent before this one has ended' };
    if (this.#agent.startFailure !== undefined) return { ready: false, text: this.#agent.startFailure };
    if (this.#agent.generation !== undefined) return { ready: true, text: 'carries out what the node is to do' };
    // A node that takes part in nothing has none, and its agent has nothing to wait for.
    if (this.#state.header === undefined && this.#state.isAnswered)
      return { ready: true, text: 'this node takes part in no peering yet' };
    return { ready: false, text: 'waits for the API server to say what this node is to do' };
  }

  async #offerStatus(): Promise<number | undefined> {
    const { desired, agent, generation, startFailure } = this.#agent;
    const { header } = this.#state;
    if (desired === undefined || header === undefined) return undefined;
    this.#latest = nodeStatus({
      generation,
      peerings: this.#state.peerings,
      unreadable: header.faults,
      desired,
      missing: this.#state.missing(),
      report: agent?.status(),
      startFailure,
      agent: this.#identity,
      wallMs: systemClock.wallMs(),
      before: this.#latest ?? this.#state.firstStatus,
    });
    return this.#state.isHeard ? this.#writer.offer(this.#latest, header.uid) : undefined;
  }

  #isTimeForPeers(): boolean {
    const next = this.#state.nextChangeMs();
    return next !== undefined && systemClock.wallMs() >= next;
  }

  async #pause(mostMs: number): Promise<void> {
    const ended = new AbortController();
    this.#wake = () => ended.abort();
    const isStarted = this.#agent.generation !== undefined;
    if (!this.#isDue)
      await sleep(Math.min(mostMs, isStarted ? LOOK_MS : START_LOOK_MS), undefined, { signal: ended.signal }).catch(
        () => undefined,
      );
    // Until there is an agent everything is tried again and again: the kernel, the ports, the one before.
    if (this.#agent.agent === undefined) this.#isDue ||= !isStarted || this.#agent.startFailure !== undefined;
  }
}

/** A name that resolved once keeps its addresses while nobody can say what they are. */
function remembering(resolve: typeof resolveHost): typeof resolveHost {
  const known = new Map<string, Awaited<ReturnType<typeof resolveHost>>>();
  return async (host) => {
    const found = await resolve(host);
    if (found.ok) known.set(host, found);
    return found.ok ? found : (known.get(host) ?? found);
  };
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '00000000-0000-0000-0000-000000000000';
  }
}

/** In the state folder, where the agents of one node meet. */
const LOCK = 'agent.sock';
/** The first lists come within a second; without an API server the last configuration counts after this. */
const PATIENCE_MS = 10_000;
const SETTLE_MS = 200;
/** Looking at the kernel's counters; nothing is written unless it has changed. */
const LOOK_MS = 10_000;
const START_LOOK_MS = 500;
