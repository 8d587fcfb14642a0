import type { Logger } from 'pino';

import { type Outcome, WorkQueue } from '../controller/work-queue.ts';
import type { ApiClient } from '../kube/api-client.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import { STARTUP_TAINT } from '../nodeconfig/names.ts';
import type { NodeKey } from '../nodeconfig/startup-taint.ts';

/** Takes the startup taint from nodes, so that pods may come; every other taint stays. */
export class StartupTaints {
  readonly #client: ApiClient;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #queue: WorkQueue;
  readonly #uids = new Map<string, string>();
  #told = '';

  /** `signal` ends every request at once. */
  constructor(client: ApiClient, log: Logger, signal: AbortSignal) {
    this.#client = client;
    this.#log = log;
    this.#signal = signal;
    this.#queue = new WorkQueue({ work: (name) => this.#work(name), concurrency: CONCURRENCY, backoff: BACKOFF });
  }

  /** These are to be without it, and no others: whoever is not among them any more is left as it is. */
  take(nodes: readonly NodeKey[]): void {
    const wanted = new Map(nodes.map(({ name, uid }) => [name, uid]));
    for (const name of this.#uids.keys()) {
      if (wanted.has(name)) continue;
      this.#uids.delete(name);
      this.#queue.forget(name);
    }
    for (const [name, uid] of wanted) {
      if (this.#uids.get(name) === uid) continue;
      this.#uids.set(name, uid);
      this.#queue.add(name);
    }
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #work(name: string): Promise<Outcome> {
    const uid = this.#uids.get(name);
    const path = pathOf(typeOf('Node'), undefined, name);
    const answer = await this.#client.ask({ method: 'GET', path }, this.#signal);
    if (this.#signal.aborted || uid === undefined) return { kind: 'done' };
    if (!answer.ok) return answer.error.status === 404 ? { kind: 'done' } : this.#refused(name, answer.error.message);
    const { metadata, spec } = answer.value as LiveNode;
    const { taints = [] } = spec;
    const remaining = taints.filter(({ key }) => key !== STARTUP_TAINT);
    if (metadata.uid !== uid || remaining.length === taints.length) return { kind: 'done' };
    // Somebody else may change taints at the same time: then it is refused, and looked at again.
    const body = [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'test', path: '/spec/taints', value: taints },
      { op: 'replace', path: '/spec/taints', value: remaining },
    ];
    const contentType = 'application/json-patch+json';
    const done = await this.#client.ask({ method: 'PATCH', path, body, contentType }, this.#signal);
    if (this.#signal.aborted) return { kind: 'done' };
    if (!done.ok) return this.#refused(name, done.error.message);
    this.#log.info({ node: name, taint: STARTUP_TAINT }, 'the agent is at work: the startup taint is taken away');
    return { kind: 'done' };
  }

  #refused(node: string, reason: string): Outcome {
    if (reason !== this.#told) {
      const remedy = 'grant the operator `patch` of nodes (startupTaint.enabled in the chart)';
      this.#log.warn({ node, reason, remedy }, 'the startup taint cannot be taken away, and it is tried again');
    }
    this.#told = reason;
    return { kind: 'retry' };
  }
}

interface LiveNode {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
}

const CONCURRENCY = 4;
const BACKOFF = { leastMs: 500, mostMs: 60_000 };
