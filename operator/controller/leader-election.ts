import { pause } from './pause.ts';

/** Who leads, as it is written down for all candidates. */
export interface LeaseRecord {
  /** Empty: nobody does. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** RFC 3339 with microseconds. */
  readonly acquiredAt: string;
  readonly renewedAt: string;
  /** How often the holder changed. */
  readonly transitions: number;
}

/** A record together with what the server compares when it is replaced. */
export interface HeldLease {
  readonly record: LeaseRecord;
  readonly resourceVersion: string;
}

/** Where the record is; each answers undefined, or a text that says why not. */
export interface LeaseStore {
  read(signal: AbortSignal): Promise<HeldLease | 'missing' | { readonly failure: string }>;
  /** Replaces the version that was read, or makes one where it was missing; refused when somebody was faster. */
  write(record: LeaseRecord, resourceVersion: string | undefined, signal: AbortSignal): Promise<string | undefined>;
}

/** When leadership changes hands. */
export interface LeaseTimes {
  /** How long after the last sign of life another may take over. */
  readonly durationMs: number;
  /** How long a leader that cannot renew goes on; less than `durationMs`, so that there are never two. */
  readonly renewWithinMs: number;
  readonly retryMs: number;
}

/** A crashed leader is replaced after twelve seconds at the latest. */
const LEASE_TIMES: LeaseTimes = { durationMs: 10_000, renewWithinMs: 7_000, retryMs: 2_000 };

/**
 * One of several candidates leads. Clocks of others are never read: a lease has ended when its record did not change for
 * its duration, by the own clock.
 */
export class LeaderElection {
  readonly #identity: string;
  readonly #store: LeaseStore;
  readonly #times: LeaseTimes;
  readonly #say: (text: string) => void;
  readonly #ended = new AbortController();
  #seen: { readonly record: string; readonly at: number } | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #leads = false;

  constructor(identity: string, store: LeaseStore, say: (text: string) => void, times: LeaseTimes = LEASE_TIMES) {
    this.#identity = identity;
    this.#store = store;
    this.#say = say;
    this.#times = times;
  }

  get leads(): boolean {
    return this.#leads;
  }

  /**
   * Waits to become the leader; answers a signal that says when that is over, or undefined where `signal` came first. Until
   * then the lease is renewed.
   */
  async acquire(signal: AbortSignal): Promise<AbortSignal | undefined> {
    let told = '';
    while (!signal.aborted) {
      const refusal = await this.#try(signal);
      if (refusal === undefined) {
        const lost = new AbortController();
        this.#leads = true;
        this.#renewal = this.#renew(lost);
        return lost.signal;
      }
      if (refusal !== told && !signal.aborted) this.#say(refusal);
      told = refusal;
      await pause(this.#times.retryMs * (1 - 0.2 * Math.random()), signal);
    }
    return undefined;
  }

  /** Gives the leadership back, so that another need not wait for the lease to end. */
  async release(): Promise<void> {
    this.#ended.abort();
    await this.#renewal;
    if (!this.#leads) return;
    this.#leads = false;
    const signal = AbortSignal.timeout(this.#times.retryMs);
    const held = await this.#store.read(signal);
    if (held === 'missing' || 'failure' in held || held.record.holder !== this.#identity) return;
    await this.#store.write({ ...held.record, holder: '', durationSeconds: 1 }, held.resourceVersion, signal);
  }

  async #renew(lost: AbortController): Promise<void> {
    let renewedAt = performance.now();
    while (await pause(this.#times.retryMs, this.#ended.signal)) {
      const at = performance.now();
      const limit = AbortSignal.timeout(Math.max(0, Math.floor(this.#times.renewWithinMs - (at - renewedAt))));
      const refusal = await this.#try(AbortSignal.any([limit, this.#ended.signal]));
      if (this.#ended.signal.aborted) return;
      if (refusal === undefined) {
        renewedAt = at;
      } else if (refusal.startsWith(TAKEN) || performance.now() - renewedAt >= this.#times.renewWithinMs) {
        this.#leads = false;
        this.#say(`leadership is lost: ${refusal}`);
        lost.abort();
        return;
      }
    }
  }

  /** Takes the lease or renews it; answers why not. */
  async #try(signal: AbortSignal): Promise<string | undefined> {
    const held = await this.#store.read(signal);
    if (held !== 'missing' && 'failure' in held) return held.failure;
    const before = held === 'missing' ? undefined : held.record;
    const others = before !== undefined && before.holder !== this.#identity && before.holder !== '';
    if (others && !this.#hasEnded(before, performance.now())) return `${TAKEN} ${before.holder}`;
    const at = new Date().toISOString().replace('Z', '000Z');
    const mine = before?.holder === this.#identity;
    const record: LeaseRecord = {
      holder: this.#identity,
      durationSeconds: Math.ceil(this.#times.durationMs / 1_000),
      acquiredAt: mine ? before.acquiredAt : at,
      renewedAt: at,
      transitions: before === undefined ? 0 : before.transitions + (mine ? 0 : 1),
    };
    return this.#store.write(record, held === 'missing' ? undefined : held.resourceVersion, signal);
  }

  /** Whether another's record is as it was for as long as it is good. */
  #hasEnded(record: LeaseRecord, now: number): boolean {
    const text = JSON.stringify(record);
    if (this.#seen?.record !== text) this.#seen = { record: text, at: now };
    return now - this.#seen.at >= record.durationSeconds * 1_000;
  }
}

const TAKEN = 'the leader is';
