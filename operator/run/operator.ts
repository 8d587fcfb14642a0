import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';

import type { InformerState } from '../controller/informer.ts';
import { LeaderElection, type LeaseStore } from '../controller/leader-election.ts';
import { pause } from '../controller/pause.ts';
import { ApiClient } from '../kube/api-client.ts';
import type { Connection } from '../kube/connection.ts';
import { leaseStore } from '../kube/lease-store.ts';
import { OperatorMetrics, type OperatorState } from '../metrics/operator-metrics.ts';
import type { ClusterSettings } from '../nodeconfig/observed.ts';
import { type GrantOutcome, grantAgents } from '../reconcile/agent-grants.ts';
import { Departures } from '../reconcile/departures.ts';
import { EventWriter } from '../reconcile/event-writer.ts';
import { LiveEvidence } from '../reconcile/evidence.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { Seldom } from '../reconcile/seldom.ts';
import { StartupTaints } from '../reconcile/startup-taints.ts';
import { type Places, type Watched, type WatchedName, watched } from '../reconcile/watched.ts';
import { failureText, Watches } from '../reconcile/watches.ts';
import { VERSION } from '../version.ts';

/** What an operator is told. */
export interface OperatorOptions {
  readonly connection: Connection;
  readonly settings: ClusterSettings;
  /** Namespace of operator and agents. */
  readonly ownNamespace: string;
  /** What the names of the installation's objects begin with. */
  readonly prefix: string;
  /** Who it is among several, such as the name of its Pod. */
  readonly instance: string;
  readonly log: Logger;
  /** Whether nodes are registered with the startup taint, which is then taken from them in time. */
  readonly startupTaint?: boolean;
  /** Milliseconds since 1970; the system's clock unless given. */
  readonly now?: () => number;
}

/** The running operator. Candidates watch, too, so that whoever takes over knows everything already. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #client: ApiClient;
  readonly #watches: Watches;
  readonly #departures: Departures;
  readonly #places: Places;
  readonly #stop = new AbortController();
  readonly #seldom = new Seldom();
  readonly #now: () => number;
  #reconciler: Reconciler | undefined;
  /** What it tells Prometheus. */
  readonly metrics: OperatorMetrics;

  constructor(options: OperatorOptions) {
    const { connection, settings, ownNamespace, prefix, log, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#client = new ApiClient(connection);
    this.#places = { nodesNamespace: settings.namespace, ownNamespace, agentAccount: `${prefix}-agent` };
    const evidence = new LiveEvidence(this.#client, this.#stop.signal, (text) => {
      if (this.#seldom.may(text)) log.warn(text);
    });
    this.metrics = new OperatorMetrics(VERSION, () => this.#state());
    this.#departures = new Departures(evidence, () => this.wake());
    this.#watches = new Watches(this.#client, this.#places, {
      changed: () => this.wake(),
      lost: (name, value, uid, how) => this.#lost(name, value, uid, how),
      replaced: (name, uidBefore) => {
        if (name === 'nodes') this.#departures.nodeIsGone(uidBefore, this.#now());
      },
      state: (name, state) => this.#logState(name, state),
    });
  }

  /** Why it cannot work, or undefined: it knows everything that a plan needs. */
  get unready(): string | undefined {
    return this.#watches.missing();
  }

  get leads(): boolean {
    return this.#reconciler !== undefined;
  }

  /** Whether the last plan is carried out, as far as it was told. */
  get isSettled(): boolean {
    return this.#reconciler?.isSettled === true;
  }

  /** Has the plan made anew. */
  wake(): void {
    this.#reconciler?.wake();
  }

  /** Ends it in order: writes that are on their way are finished and the lease is given back. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * Runs until `stop`, and leads whenever nobody else does. One whose lease was lost is a candidate again at once: a container
   * that ended for it would be started again after longer and longer pauses, while an API server has a bad hour.
   */
  async run(): Promise<void> {
    const { ownNamespace, prefix } = this.#options;
    const lease = leaseStore(this.#client, ownNamespace, `${prefix}-operator`);
    const watching = this.#watches.run(this.#stop.signal);
    while (!this.#stop.signal.aborted) await this.#stand(lease);
    await watching;
  }

  /** Waits until it may lead, and leads until that is over. */
  async #stand(lease: LeaseStore): Promise<void> {
    const { log, instance } = this.#options;
    // A name for this once: writes of who had the lease before under the name of the same Pod may still be on their way.
    const identity = `${instance}_${randomUUID()}`;
    const election = new LeaderElection(identity, lease, (text) => log.info(text));
    const lost = await election.acquire(this.#stop.signal);
    if (lost !== undefined) {
      log.info({ identity }, 'leading');
      await this.#lead(lost);
    }
    await election.release();
  }

  async #lead(lost: AbortSignal): Promise<void> {
    const { settings, log, instance } = this.#options;
    const [client, watches, departures, now] = [this.#client, this.#watches, this.#departures, this.#now];
    const events = new EventWriter(client, instance, (text) => log.warn(text));
    const over = AbortSignal.any([lost, this.#stop.signal]);
    const { metrics } = this;
    const startupTaints = this.#options.startupTaint === true ? new StartupTaints(client, log, over) : undefined;
    const parts = { client, watches, departures, events, settings, startupTaints, metrics, log, now };
    const reconciler = new Reconciler(parts, lost);
    this.#reconciler = reconciler;
    reconciler.wake();
    await this.#keepGrants(over);
    await Promise.all([reconciler.stop(), startupTaints?.stop()]);
    this.#reconciler = undefined;
  }

  /** Until the signal: sees that agents have their rights while the policy is in force that confines them. */
  async #keepGrants(over: AbortSignal): Promise<void> {
    const { prefix, log } = this.#options;
    let told: string | undefined;
    while (!over.aborted) {
      const missing = this.#watches.missing();
      const outcome: GrantOutcome | undefined =
        missing === undefined ? await grantAgents(this.#client, this.#places, prefix, over) : undefined;
      if (outcome !== undefined && !over.aborted) {
        const text = outcome === 'granted' ? outcome : outcome.failure;
        if (text !== told) {
          if (outcome === 'granted') log.info('agents have their rights');
          else log.error(outcome.failure);
        }
        told = text;
      }
      const waitMs = outcome === undefined ? READY_AGAIN_MS : GRANT_RETRY_MS;
      await pause(outcome === 'granted' ? GRANTED_AGAIN_MS : waitMs, over);
    }
  }

  #state(): OperatorState {
    return {
      leads: this.leads,
      unready: this.unready,
      queueLength: this.#reconciler?.queueLength ?? 0,
      watching: this.#watches.watching(),
      peerings: this.#watches.values('peerings'),
    };
  }

  #lost(name: WatchedName, value: unknown, uid: string, how: 'deleted' | 'unlisted'): void {
    if (how !== 'deleted' || (name !== 'nodes' && name !== 'peerings')) return;
    const object = (value as { readonly metadata: { readonly name: string } }).metadata.name;
    this.#options.log.info({ kind: watched[name].title, object, uid }, 'deleted');
    if (name === 'nodes') this.#departures.nodeIsGone(uid, this.#now());
  }

  #logState(name: WatchedName, state: InformerState): void {
    const { log } = this.#options;
    const { title, remedy } = watched[name] as Watched<unknown>;
    if (state.kind === 'watching') log.debug({ kind: title }, 'watching');
    if (state.kind !== 'failing') return;
    const { failure } = state;
    // Where the server is away, it is so for all kinds.
    const text =
      failure.kind === 'failed' ? `${this.#client.server}: ${failure.text}` : failureText(title, state, remedy);
    if (this.#seldom.may(text)) log.error(text);
  }
}

/** In case that somebody took the rights away. */
const GRANTED_AGAIN_MS = 10 * 60_000;
const GRANT_RETRY_MS = 5_000;
const READY_AGAIN_MS = 200;
