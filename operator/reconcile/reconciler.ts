import type { Logger } from 'pino';

import type { Condition } from '../api/condition.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { type Outcome, WorkQueue } from '../controller/work-queue.ts';
import type { ApiClient } from '../kube/api-client.ts';
import type { ApiError } from '../kube/api-error.ts';
import type { OperatorMetrics } from '../metrics/operator-metrics.ts';
import { type Change, changesOf } from '../nodeconfig/changes.ts';
import type { ClusterSettings, Moment, Observed } from '../nodeconfig/observed.ts';
import { plan } from '../nodeconfig/plan.ts';
import { settledNodes } from '../nodeconfig/startup-taint.ts';
import { faultsText, UNREADABLE_REMEDY } from '../policies/unreadable.ts';
import type { Departures } from './departures.ts';
import { nextDueAt } from './due.ts';
import type { EventWriter } from './event-writer.ts';
import { gather, type RefusedWrites } from './gather.ts';
import { changeKey, PendingChanges, statusDelayMs } from './pending-changes.ts';
import { Refusals } from './refusals.ts';
import { Seldom } from './seldom.ts';
import type { StartupTaints } from './startup-taints.ts';
import { transitionsOf } from './transitions.ts';
import type { WatchedName } from './watched.ts';
import type { Watches } from './watches.ts';
import { write } from './writer.ts';

/** What a reconciler works with. */
export interface ReconcilerParts {
  readonly client: ApiClient;
  readonly watches: Watches;
  readonly departures: Departures;
  readonly events: EventWriter;
  readonly settings: ClusterSettings;
  /** Left out where nodes are not registered with the taint. */
  readonly startupTaints: StartupTaints | undefined;
  readonly metrics: Pick<OperatorMetrics, 'planned' | 'wrote'>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Makes the plan whenever something is otherwise, and writes what it wants: each object on its own, so that one that the
 * server refuses holds up no other. Runs in the leader only.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #lost: AbortSignal;
  readonly #pending = new PendingChanges();
  readonly #refusals = new Refusals();
  readonly #queue: WorkQueue;
  readonly #seldom = new Seldom();
  #unreadable: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #due: NodeJS.Timeout | undefined;
  #planMs = 0;
  #stopped = false;

  /** `lost` ends every write at once: another leads. */
  constructor(parts: ReconcilerParts, lost: AbortSignal) {
    this.#parts = parts;
    this.#lost = lost;
    this.#queue = new WorkQueue({ work: (key) => this.#work(key), concurrency: CONCURRENCY, backoff: BACKOFF });
  }

  /** Whether everything that the last plan wanted is written, Events of it too. */
  get isSettled(): boolean {
    return this.#pending.size === 0 && this.#queue.backlog === 0 && this.#timer === undefined;
  }

  /** Objects that are due to be written, are being written, or were refused and are tried again. */
  get queueLength(): number {
    return this.#queue.backlog;
  }

  /** Something is otherwise: the plan is made anew, soon. */
  wake(): void {
    if (this.#stopped || this.#timer !== undefined) return;
    // A plan of thousands of nodes takes a while; most of the time remains for everything else.
    const waitMs = Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, this.#planMs * REST));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#plan();
    }, waitMs);
  }

  /** Begins nothing more, and waits for writes that are on their way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#due);
    await this.#queue.stop();
  }

  #plan(): void {
    const { watches, departures, settings, metrics, log, now } = this.#parts;
    const missing = watches.missing();
    if (missing !== undefined) {
      if (this.#seldom.may(missing)) log.info({ reason: missing }, 'nothing is planned yet');
      return;
    }
    const started = performance.now();
    const at = momentOf(now());
    let outcome: 'made' | 'failed' = 'made';
    try {
      const observed = gather(watches, departures, this.#refusedWrites(), at.milliseconds);
      this.#tellUnreadable(observed);
      const planned = plan(observed, settings, at);
      const changes = changesOf(observed, planned).filter((change) => isPossible(change, observed));
      this.#want(changes, observed);
      this.#parts.startupTaints?.take(settledNodes(observed, changes, planned.untold));
      this.#planAgainAt(observed, at.milliseconds);
    } catch (error) {
      // A bug. What is in force stays in force, and the next change is tried.
      outcome = 'failed';
      if (this.#seldom.may('plan')) log.error({ err: error }, 'the plan cannot be made');
    }
    this.#planMs = performance.now() - started;
    metrics.planned(this.#planMs / 1_000, outcome);
  }

  #want(changes: readonly Change[], { peerings, unreadablePeerings }: Observed): void {
    const { fresh, dropped } = this.#pending.replace(changes);
    for (const key of dropped) {
      this.#queue.forget(key);
      this.#refusals.forget(key);
    }
    const known = [...peerings, ...unreadablePeerings];
    const statuses = new Map(known.map(({ metadata, status }) => [metadata.name, status]));
    for (const key of fresh) {
      const change = this.#pending.of(key);
      if (change !== undefined) this.#queue.add(key, delayMs(change, statuses));
    }
  }

  /** Of each once, while it is so. */
  #tellUnreadable({ unreadableObjects }: Observed): void {
    const present = unreadableObjects.map((each) => ({ ...each, key: `${each.kind} ${each.metadata.name}` }));
    for (const { key, faults } of present.filter((each) => !this.#unreadable.has(each.key))) {
      this.#parts.log.error(
        { object: key, reason: faultsText(faults), remedy: UNREADABLE_REMEDY },
        'an object cannot be read by this version, and is left as it is',
      );
    }
    this.#unreadable = new Set(present.map(({ key }) => key));
  }

  #planAgainAt(observed: Observed, now: number): void {
    const { departures } = this.#parts;
    const times = [nextDueAt(observed, now), departures.nextDueAt(now)].filter((time) => time !== undefined);
    if (departures.isWaiting(now)) times.push(now + CONFIRM_AGAIN_MS);
    clearTimeout(this.#due);
    if (times.length === 0 || this.#stopped) return;
    this.#due = setTimeout(() => this.wake(), Math.min(Math.min(...times) - now + 1, LONGEST_WAIT_MS));
  }

  async #work(key: string): Promise<Outcome> {
    const change = this.#pending.of(key);
    if (change === undefined) return { kind: 'done' };
    const before = change.kind === 'applyStatus' ? this.#conditionsOf(change.peering.metadata.name) : [];
    const started = performance.now();
    const answer = await write(this.#parts.client, change, this.#lost);
    if (this.#lost.aborted) return { kind: 'done' };
    const code = answer.ok ? 'ok' : answer.error.status;
    this.#parts.metrics.wrote(kindOf(change), change.kind, code, (performance.now() - started) / 1_000);
    if (!answer.ok) return this.#refused(key, change, answer.error);
    this.#parts.log.debug({ change: change.kind, object: key }, 'written');
    this.#pending.written(key, change);
    const wasRefused = this.#refusals.forget(key);
    if (answer.value !== undefined) this.#parts.watches.put(storeOf(change), answer.value);
    if (wasRefused) this.wake();
    if (change.kind === 'applyStatus') await this.#tell(change, before);
    return { kind: 'done' };
  }

  #refused(key: string, change: Change, error: ApiError): Outcome {
    const { log } = this.#parts;
    const text = `${error.status === 0 ? '' : `${error.reason}: `}${error.message}`;
    // The UID was another's, or somebody was faster: the watch tells what is so, and the plan follows.
    if (error.status === 409) log.debug({ object: key, reason: text }, 'out of date');
    else if (this.#seldom.may(`${storeOf(change)} ${error.reason}`)) {
      log.warn({ object: key, reason: text, remedy: remedyOf(error) }, 'a write is refused, and tried again');
    }
    if (error.status !== 409 && error.status !== 0 && this.#refusals.note(key, text)) this.wake();
    return { kind: 'retry', retryAfterMs: error.retryAfterMs };
  }

  async #tell({ peering, status }: Extract<Change, { kind: 'applyStatus' }>, before: readonly Condition[]) {
    const { events, log, now } = this.#parts;
    const transitions = transitionsOf(before, status.conditions ?? []);
    for (const { reason, note } of transitions)
      log.info({ peering: peering.metadata.name, reason, note }, 'transition');
    await events.write(peering, transitions, new Date(now()), this.#lost);
  }

  #conditionsOf(peering: string): readonly Condition[] {
    const found = this.#parts.watches.values('peerings').find(({ metadata }) => metadata.name === peering);
    return found?.status?.conditions ?? [];
  }

  #refusedWrites(): RefusedWrites {
    return {
      refusedCertificates: this.#refusals.of('Certificate', this.#parts.settings.namespace),
      refusedNodeConfigs: this.#refusals.of('IPsecNodeConfig'),
      refusedSlices: this.#refusals.of('IPsecPeerSlice'),
    };
  }
}

function momentOf(milliseconds: number): Moment {
  return { milliseconds, timestamp: new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z') };
}

/** How long a change may wait. */
function delayMs(change: Change, statuses: ReadonlyMap<string, IpsecPeering['status']>): number {
  if (change.kind === 'applyStatus') return statusDelayMs(statuses.get(change.peering.metadata.name), change.status);
  // The server refuses a binding until all of it knows the role.
  return change.kind === 'apply' && change.object.kind === 'RoleBinding' ? BINDING_MS : 0;
}

/** What can only be refused is not tried. */
function isPossible(change: Change, { certManager }: Observed): boolean {
  return change.kind === 'applyStatus' || change.object.kind !== 'Certificate' || certManager === 'Present';
}

function remedyOf({ status, reason }: ApiError): string {
  if (status === 403) return 'grant it to the operator (the chart has the roles)';
  if (status === 404) return 'see that the namespace of the nodes is there, and the kind';
  if (status === 422 || reason === 'Invalid')
    return "see that ikemesh's CustomResourceDefinitions are those of this version";
  return 'nothing, if it ends; else look at the API server and its webhooks';
}

function kindOf(change: Change): string {
  return change.kind === 'applyStatus' ? change.peering.kind : change.object.kind;
}

function storeOf(change: Change): WatchedName {
  const name = STORES[kindOf(change)];
  if (name === undefined) throw new Error(`${changeKey(change)} is not watched`);
  return name;
}

const STORES: Readonly<Record<string, WatchedName>> = {
  IPsecPeering: 'peerings',
  IPsecNodeConfig: 'nodeConfigs',
  IPsecPeerSlice: 'slices',
  Certificate: 'certificates',
  ServiceAccount: 'serviceAccounts',
  Role: 'roles',
  RoleBinding: 'roleBindings',
  Secret: 'secrets',
};
const CONCURRENCY = 16;
const BACKOFF = { leastMs: 500, mostMs: 60_000 };
const LEAST_WAIT_MS = 50;
const MOST_WAIT_MS = 3_000;
/** Times the last plan took. */
const REST = 4;
const CONFIRM_AGAIN_MS = 30_000;
/** A timer of more than 24 days would be due at once, and certificates may be good for years. */
const LONGEST_WAIT_MS = 86_400_000;
const BINDING_MS = 1_000;
