import type { ReconcileObserver } from '../metrics/reconciliations.ts';
import { systemClock, systemTimers } from '../runtime/clock-system.ts';
import { type HostResolver, resolveHost } from '../runtime/config/resolve-host.ts';
import { Retry } from '../runtime/retry.ts';
import { type StartParts, startAgent } from '../runtime/start-agent.ts';
import type { StatusReport } from '../runtime/status/report.ts';
import { ValidityWatch } from '../runtime/validity-watch.ts';
import { ClusterAgent } from './cluster-agent.ts';
import { ClusterState } from './cluster-state.ts';
import { CredentialFiles } from './credential-files.ts';
import type { ConfigurationFile } from './kept-configuration.ts';
import { awaitsPeers, type NodeStatus, nodeStatus } from './node-status.ts';
import type { ObjectSource } from './object-source.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import type { UnblockedPeerings } from './unblocked-peerings.ts';

/** What the agent of a node is put together from, wherever its IPsecNodeConfig comes from. */
export interface NodeAgentParts extends StartParts {
  readonly nodeName: string;
  readonly source: ObjectSource;
  /** Where keys and certificates are laid down. */
  readonly credentialFolder: string;
  /** What to begin with while the source says nothing. */
  readonly kept?: ConfigurationFile;
  /** What somebody on the node has unblocked; left out: nothing. */
  readonly unblocked?: UnblockedPeerings;
  /** Who writes the status; left out where nobody does. */
  readonly agent?: NonNullable<NodeStatus['agent']>;
  /** Finds the addresses of gateways; left out: the system's resolver. */
  readonly resolveHost?: HostResolver;
  /** Not before this; asked again and again. */
  readonly mayBegin: () => Promise<boolean>;
  /** Why it is not known whether it may; left out: that is always known. */
  readonly lockFailure?: () => string | undefined;
  /** Whether it waits, ready, for another agent to end. */
  readonly isStandingBy: () => boolean;
  /** Told the status; answers after how many milliseconds it is to be told again. */
  readonly publish: (status: NodeStatus, uid: string | undefined) => Promise<number | undefined>;
  /** Told how the agent was brought to what it is to do. */
  readonly reconciliations?: ReconcileObserver | undefined;
}

/** The agent of one node: does what the IPsecNodeConfig says, whenever that or a key changes, and knows what came of it. */
export class NodeAgent {
  readonly #parts: NodeAgentParts;
  readonly #files: CredentialFiles;
  readonly #state: ClusterState;
  readonly #agent: ClusterAgent;
  readonly #validity: ValidityWatch;
  readonly #retry = new Retry();
  readonly #startedAt = systemClock.monotonicMs();
  #isDue = true;
  #hasRemembered = false;
  /** Why the kept configuration is not begun with: told once. */
  #keptFault: string | undefined;
  #wake: () => void = () => {};
  #latest: NodeStatus | undefined;
  #unblocked: ReadonlySet<string> = new Set();
  #unblockedRevision: string | undefined;
  #unblockedFailure: string | undefined;
  /** Whether policies of peerings that are carried out may let pass what they are to block. */
  #mayBeOpen = false;
  #kernelFailure: string | undefined = 'has not looked at the kernel yet';

  constructor(parts: NodeAgentParts) {
    const { log, nodeName, provider, source } = parts;
    this.#parts = parts;
    const files = new CredentialFiles(parts.credentialFolder);
    this.#files = files;
    const onChange = (): void => this.wake();
    const monotonicMs = () => systemClock.monotonicMs();
    this.#state = new ClusterState({ nodeName, source, files, log, monotonicMs, onChange });
    this.#agent = new ClusterAgent({
      nodeName,
      state: this.#state,
      kept: parts.kept,
      unblocked: () => this.#unblocked,
      services: { provider, resolveHost: remembering(parts.resolveHost ?? resolveHost), clock: systemClock, files },
      startAgent: (config) => startAgent(parts, config),
      openDataplane: parts.openDataplane,
      log,
    });
    this.#validity = new ValidityWatch({ clock: systemClock, timers: systemTimers, onValid: onChange });
  }

  /** Something may have to be done. */
  wake(): void {
    this.#isDue = true;
    this.#wake();
  }

  /** Runs until it is told to end; the kernel keeps what it has, unless it is to be flushed. */
  async run(isTold: () => boolean, flushOnExit = false): Promise<void> {
    this.#state.start();
    while (!isTold()) {
      this.#lookForUnblocked();
      if (this.#isDue || this.#isTimeForPeers() || this.#retryMs() <= 0) {
        // What comes at the same time is done at the same time.
        await sleep(SETTLE_MS);
        this.#isDue = false;
        this.#retry.clear();
        await this.#step();
      }
      const writeMs = await this.#offerStatus();
      const isAwaited = this.#latest !== undefined && awaitsPeers(this.#latest);
      await this.#pause(Math.min(writeMs ?? LOOK_MS, isAwaited ? PENDING_LOOK_MS : LOOK_MS));
    }
    this.#state.stop();
    this.#validity.await(undefined);
    if (flushOnExit) await this.#agent.flushAndStop();
    else this.#agent.stop();
  }

  /** The agent with the kernel's counters of this moment; undefined while none runs. */
  status(): StatusReport | undefined {
    return this.#agent.agent?.status();
  }

  /** What the status socket answers. */
  report(): object {
    const readiness = this.readiness();
    const report = this.status();
    const kubernetes = { ...readiness, status: this.#latest };
    return report === undefined ? { error: readiness.text, kubernetes } : { ...report, kubernetes };
  }

  #lookForUnblocked(): void {
    const { unblocked, log } = this.#parts;
    const revision = unblocked?.revision();
    const isRead = revision === this.#unblockedRevision && this.#unblockedFailure === undefined;
    if (unblocked === undefined || isRead) return;
    const read = unblocked.names();
    this.#noteUnblockedFailure(read.ok ? undefined : read.error);
    // It is looked at again; until then nothing is blocked or unblocked for it.
    if (!read.ok) return;
    this.#unblockedRevision = revision;
    // Since the last look one may have been unblocked and blocked again; one that starts makes all policies anew.
    this.#mayBeOpen = this.#agent.agent !== undefined;
    this.#isDue = true;
    const names = read.value;
    if ([...names].join() === [...this.#unblocked].join()) return;
    log.warn({ peerings: [...names] }, 'peerings that are unblocked on this node are not carried out');
    this.#unblocked = names;
  }

  /** Once, while it stays the same. */
  #noteUnblockedFailure(text: string | undefined): void {
    const peerings = [...this.#unblocked];
    if (text !== undefined && text !== this.#unblockedFailure)
      this.#parts.log.error(
        { text, peerings },
        'it is not known which peerings are unblocked: none but these counts as such',
      );
    this.#unblockedFailure = text;
  }

  async #step(): Promise<void> {
    const { log } = this.#parts;
    if (!(await this.#mayBegin())) {
      if (this.#kernelFailure !== undefined) this.#lookAtKernel();
      return;
    }
    const isWritten = await this.#files.writeAgain();
    const started = systemClock.monotonicMs();
    let outcome: 'done' | 'failed' = 'failed';
    try {
      outcome = (await this.#agent.reconcile()) ? 'done' : 'failed';
    } catch (error) {
      log.error(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'defect: the configuration was not applied',
      );
    }
    if (outcome === 'done' && this.#mayBeOpen) this.#mayBeOpen = this.#agent.agent?.restorePolicies() === false;
    this.#parts.reconciliations?.reconciled((systemClock.monotonicMs() - started) / 1_000, outcome);
    const { desired } = this.#agent;
    const isUnresolved = [...(desired?.config.resolved.values() ?? [])].some(({ ok }) => !ok);
    const isComplete =
      outcome === 'done' &&
      isWritten &&
      this.#agent.keptFailure === undefined &&
      this.#agent.absentAddresses.size === 0;
    this.#retry.note({ outcome: isComplete ? 'done' : 'failed', isUnresolved }, systemClock.monotonicMs());
    // What failed is tried again in any case, and what it waits for is not in use.
    this.#validity.await(outcome === 'done' ? desired?.config.credentials.validFromMs : undefined);
  }

  /** Not before the agent before this one has ended, and not before it is known what is to be done. */
  async #mayBegin(): Promise<boolean> {
    const { kept } = this.#parts;
    if (!(await this.#parts.mayBegin())) return false;
    if (this.#agent.agent !== undefined) return true;
    const isPatient = kept === undefined || systemClock.monotonicMs() - this.#startedAt < PATIENCE_MS;
    if (isPatient && !this.#state.isComplete) return false;
    if (this.#state.header === undefined) await this.#restoreKept();
    if (this.#state.header === undefined) return false;
    await this.#rememberKept();
    return true;
  }

  /** Begins with what was kept, where that can be read. */
  async #restoreKept(): Promise<void> {
    const { log, kept } = this.#parts;
    const read = await kept?.read();
    if (kept === undefined || (read?.ok === true && read.value === undefined)) return;
    if (read?.ok === true && read.value !== undefined && this.#state.restore(read.value)) {
      log.warn({ file: kept.path }, 'the API server says nothing: beginning with what was kept of the last run');
      return;
    }
    const text =
      read?.ok === false ? read.error : `${kept.path} is of another version of the agent, and cannot be read`;
    if (text !== this.#keptFault) log.warn({ text }, 'the kept configuration is not used');
    this.#keptFault = text;
  }

  /** As starting will, without changing anything: whoever may not is not to take the place of an agent that works. */
  #lookAtKernel(): void {
    const opened = this.#parts.openDataplane();
    if (!opened.ok) {
      this.#kernelFailure = opened.error;
      return;
    }
    const dumped = opened.value.dump();
    opened.value.close();
    this.#kernelFailure = dumped.ok ? undefined : dumped.error.message;
  }

  /** Once, when nobody else writes it any more and it is known what it is needed for. */
  async #rememberKept(): Promise<void> {
    if (this.#hasRemembered) return;
    this.#hasRemembered = true;
    const read = await this.#parts.kept?.read();
    if (read?.ok === false) this.#parts.log.warn({ text: read.error }, 'the kept configuration is not used');
    if (read?.ok === true && read.value !== undefined) this.#state.remember(read.value);
  }

  /** Whether the pod is ready, as its probe asks. */
  readiness(): Readiness {
    const { source, isStandingBy, lockFailure } = this.#parts;
    const { header, unreadable, isAnswered, isComplete } = this.#state;
    return readinessOf({
      source: source.name,
      standby: isStandingBy(),
      kernelFailure: this.#kernelFailure,
      startFailure: this.#agent.startFailure,
      lockFailure: lockFailure?.(),
      shortcomings: [this.#agent.keptFailure, this.#unblockedFailure].filter((text) => text !== undefined),
      isCarriedOut: this.#agent.generation !== undefined,
      unreadable,
      isTold: header !== undefined,
      isAnswered,
      isComplete,
    });
  }

  async #offerStatus(): Promise<number | undefined> {
    const { desired, agent, generation, startFailure, refusal, absentAddresses } = this.#agent;
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
      refusal,
      absentAddresses,
      unblocked: this.#unblocked,
      agent: this.#parts.agent,
      wallMs: systemClock.wallMs(),
      monotonicMs: systemClock.monotonicMs(),
      before: this.#latest ?? this.#state.firstStatus,
    });
    return this.#state.isHeard ? this.#parts.publish(this.#latest, header.uid) : undefined;
  }

  #isTimeForPeers(): boolean {
    const next = this.#state.nextChangeMs();
    return next !== undefined && systemClock.monotonicMs() >= next;
  }

  #retryMs(): number {
    return this.#retry.leftMs(systemClock.monotonicMs());
  }

  async #pause(mostMs: number): Promise<void> {
    const ended = new AbortController();
    this.#wake = () => ended.abort();
    const isStarted = this.#agent.generation !== undefined;
    const leastMs = Math.min(mostMs, isStarted ? LOOK_MS : START_LOOK_MS, this.#retryMs());
    if (!this.#isDue) await sleep(Math.max(0, leastMs), ended.signal);
    // Until there is an agent everything is tried again and again: the kernel, the ports, the one before.
    if (this.#agent.agent === undefined) this.#isDue ||= !isStarted || this.#agent.startFailure !== undefined;
  }
}

/** Waits, not longer than until it is woken. */
function sleep(ms: number, woken?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    woken?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A name that resolved once keeps its addresses while nobody can say what they are. */
function remembering(resolve: HostResolver): HostResolver {
  const known = new Map<string, Awaited<ReturnType<HostResolver>>>();
  return async (host) => {
    const found = await resolve(host);
    if (found.ok) known.set(host, found);
    return found.ok ? found : (known.get(host) ?? found);
  };
}

/** The first lists come within a second; without an API server the last configuration counts after this. */
const PATIENCE_MS = 10_000;
const SETTLE_MS = 200;
/** Looking at the kernel's counters; nothing is written unless it has changed. */
const LOOK_MS = 10_000;
/** Somebody may wait for peers that are new. */
const PENDING_LOOK_MS = 2_000;
const START_LOOK_MS = 500;
