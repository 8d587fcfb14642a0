import { NODE_GRACE_MS } from '../nodeconfig/gone.ts';
import type { Gone } from '../nodeconfig/observed.ts';

/** Asks the server itself, when what is known is about to remove something. */
export interface Evidence {
  /** UIDs of all Nodes; undefined where that cannot be said for certain, which a list without any is not. */
  nodeUids(): Promise<ReadonlySet<string> | undefined>;
  /** Whether the kind of the peerings is what it always was: with it all peerings go, and none was deleted. */
  peeringsAreKept(): Promise<boolean>;
  /** Whether a peering is there. */
  hasPeering(name: string): Promise<boolean | undefined>;
}

/** What is needed to notice what a watch did not tell. */
export interface Sight {
  /** UIDs of Nodes that are there. */
  readonly nodes: ReadonlySet<string>;
  /** UIDs of Nodes that objects of ours are about. */
  readonly nodesInUse: ReadonlySet<string>;
  readonly peerings: ReadonlySet<string>;
  /** Names of peerings that nodes are told of. */
  readonly peeringsInUse: ReadonlySet<string>;
}

/**
 * Knows what is gone, as against what is only not seen. What may remove something is confirmed by asking once more; a list
 * without any Node or without any peering says nothing.
 */
export class Departures {
  readonly #evidence: Evidence;
  readonly #changed: () => void;
  /** Since when. */
  readonly #nodes = new Map<string, number>();
  readonly #confirmedNodes = new Set<string>();
  readonly #peerings = new Set<string>();
  readonly #confirmedPeerings = new Set<string>();
  #asking = false;

  /** `changed` is called when something was confirmed. */
  constructor(evidence: Evidence, changed: () => void) {
    this.#evidence = evidence;
    this.#changed = changed;
  }

  nodeIsGone(uid: string, now: number): void {
    if (!this.#nodes.has(uid)) this.#nodes.set(uid, now);
  }

  peeringIsGone(name: string): void {
    this.#peerings.add(name);
  }

  /** Compares what is used with what is there, forgets what is back or no longer used, and has the rest confirmed. */
  look({ nodes, nodesInUse, peerings, peeringsInUse }: Sight, now: number): Gone {
    for (const uid of [...this.#nodes.keys()]) {
      if (nodes.has(uid) || !nodesInUse.has(uid)) this.#forgetNode(uid);
    }
    for (const name of [...this.#peerings]) {
      if (peerings.has(name) || !peeringsInUse.has(name)) this.#forgetPeering(name);
    }
    if (nodes.size > 0) {
      for (const uid of nodesInUse) if (!nodes.has(uid)) this.nodeIsGone(uid, now);
    }
    if (peerings.size > 0) {
      for (const name of peeringsInUse) if (!peerings.has(name)) this.peeringIsGone(name);
    }
    void this.#confirm(now);
    return {
      nodes: new Map(
        [...this.#nodes].filter(([uid, since]) => now - since < NODE_GRACE_MS || this.#confirmedNodes.has(uid)),
      ),
      peerings: new Set(this.#confirmedPeerings),
    };
  }

  /** When a Node will have been gone for long enough. */
  nextDueAt(now: number): number | undefined {
    const due = [...this.#nodes.values()].map((since) => since + NODE_GRACE_MS).filter((at) => at > now);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** Whether something waits that could not be confirmed yet. */
  get isWaiting(): boolean {
    return this.#confirmedPeerings.size < this.#peerings.size;
  }

  async #confirm(now: number): Promise<void> {
    const nodes = [...this.#nodes].flatMap(([uid, since]) =>
      now - since >= NODE_GRACE_MS && !this.#confirmedNodes.has(uid) ? [uid] : [],
    );
    const peerings = [...this.#peerings].filter((name) => !this.#confirmedPeerings.has(name));
    if (this.#asking || nodes.length + peerings.length === 0) return;
    this.#asking = true;
    const confirmed = [await this.#confirmNodes(nodes), await this.#confirmPeerings(peerings)];
    this.#asking = false;
    if (confirmed.includes(true)) this.#changed();
  }

  async #confirmNodes(uids: readonly string[]): Promise<boolean> {
    const present = uids.length === 0 ? undefined : await this.#evidence.nodeUids();
    if (present === undefined || present.size === 0) return false;
    for (const uid of uids.filter((each) => this.#nodes.has(each))) {
      if (present.has(uid)) this.#forgetNode(uid);
      else this.#confirmedNodes.add(uid);
    }
    return true;
  }

  async #confirmPeerings(names: readonly string[]): Promise<boolean> {
    let confirmed = false;
    for (const name of names) {
      // Asked in this order: a kind that goes takes its objects with it afterwards.
      if ((await this.#evidence.hasPeering(name)) !== false || !(await this.#evidence.peeringsAreKept())) continue;
      if (!this.#peerings.has(name)) continue;
      this.#confirmedPeerings.add(name);
      confirmed = true;
    }
    return confirmed;
  }

  #forgetNode(uid: string): void {
    this.#nodes.delete(uid);
    this.#confirmedNodes.delete(uid);
  }

  #forgetPeering(name: string): void {
    this.#peerings.delete(name);
    this.#confirmedPeerings.delete(name);
  }
}
