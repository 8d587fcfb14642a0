import { apiVersion } from '../../operator/api/resource.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiFailure } from './api-failure.ts';
import { pauseAfter } from './list-watch.ts';
import { awaitsPeers, type NodeStatus } from './node-status.ts';

/** What writing a status depends on. */
export interface StatusWriterParts {
  readonly client: Pick<ApiClient, 'ask'>;
  readonly nodeName: string;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly onFailure: (failure: ApiFailure | undefined) => void;
}

/** What decides whether a status is written, and when. */
interface Content {
  readonly urgent: string;
  readonly all: string;
  readonly isPending: boolean;
}

/**
 * Writes the status when it has changed: soon what people wait for or must hear of, seldom what is routine (counts and
 * who is in trouble while no condition changes), so that a thousand agents do not write because one node has joined. Counts
 * are awaited while the node itself joins: for some minutes after the start, and after each peering that is new to it; and
 * once none of the peers that were written as pending is any more, since the peering is not Ready until it is known of them.
 */
export class StatusWriter {
  readonly #parts: StatusWriterParts;
  #joinedAt: number;
  #joined: ReadonlySet<string> | undefined;
  #written: Content | undefined;
  #uid: string | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #routineMs: number;
  #failures = 0;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(parts: StatusWriterParts) {
    this.#parts = parts;
    this.#joinedAt = parts.monotonicMs();
    this.#routineMs = this.#drawRoutine();
  }

  /**
   * Writes it if it is time to; `uid` is that of the object that was seen, so that it is not another one. Answers after how
   * many milliseconds what has changed may be written; undefined where nothing waits.
   */
  async offer(status: NodeStatus, uid: string | undefined): Promise<number | undefined> {
    const now = this.#parts.monotonicMs();
    this.#noteJoining(status, now);
    if (uid !== this.#uid) {
      // One that was made anew has no status, whatever was written into the one before.
      this.#uid = uid;
      this.#written = undefined;
    }
    const content = { urgent: urgentPart(status), all: JSON.stringify(status), isPending: awaitsPeers(status) };
    if (content.all === this.#written?.all) return undefined;
    if (now < this.#notBefore) return this.#notBefore - now;
    const dueAt = this.#writtenAt + this.#intervalMs(content, now);
    if (now < dueAt) return dueAt - now;
    const answer = await this.#parts.client.ask({
      method: 'PATCH',
      path: `/apis/${apiVersion}/ipsecnodeconfigs/${this.#parts.nodeName}/status?fieldManager=ikemesh-agent&force=true`,
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion,
        kind: 'IPsecNodeConfig',
        metadata: { name: this.#parts.nodeName, ...(uid === undefined ? {} : { uid }) },
        status,
      },
    });
    if (answer.ok) {
      if (this.#failures > 0) this.#parts.onFailure(undefined);
      this.#failures = 0;
      this.#written = content;
      this.#writtenAt = this.#parts.monotonicMs();
      this.#routineMs = this.#drawRoutine();
      return undefined;
    }
    this.#failures += 1;
    const retryMs = Math.max(pauseAfter(this.#failures, this.#parts.random()), answer.error.retryAfterMs);
    this.#notBefore = this.#parts.monotonicMs() + retryMs;
    this.#parts.onFailure(answer.error);
    return retryMs;
  }

  /** How long after the last write this one may be. */
  #intervalMs(content: Content, now: number): number {
    const isUrgent = content.urgent !== this.#written?.urgent;
    const isAwaited = this.#written?.isPending === true && !content.isPending;
    if (isUrgent || isAwaited) return URGENT_MS;
    if (now - this.#joinedAt >= JOINING_MS) return this.#routineMs;
    return content.isPending ? GATHERING_MS : URGENT_MS;
  }

  #noteJoining({ peerings = [] }: NodeStatus, now: number): void {
    const names = new Set(peerings.map(({ name }) => name));
    const joined = this.#joined;
    if (joined !== undefined && [...names].some((name) => !joined.has(name))) this.#joinedAt = now;
    this.#joined = names;
  }

  #drawRoutine(): number {
    return ROUTINE_MS * (1 + this.#parts.random());
  }
}

/** What is worth a write by itself: everything but counts, troubled peers and the texts of conditions. */
function urgentPart({ observedGeneration, conditions = [], agent, peerings = [] }: NodeStatus): string {
  return JSON.stringify([
    observedGeneration,
    agent,
    conditions.map(({ type, status, reason }) => [type, status, reason]),
    peerings.map(({ name, enforcement, exempt, certificate, fault }) => [
      name,
      enforcement,
      exempt,
      certificate,
      fault,
    ]),
  ]);
}

/** Between two writes, whatever happens. */
const URGENT_MS = 2_000;
/** Between two counts of a node that joins and has not reached all of its peers: a thousand may join at the same time. */
const GATHERING_MS = 10_000;
/** At most one routine write in five minutes, spread over as many again. */
const ROUTINE_MS = 300_000;
/** Longer than peers are pending, and enforcement takes its steps. */
const JOINING_MS = 180_000;
