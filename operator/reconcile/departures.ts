import { NODE_GRACE_MS } from '../nodeconfig/gone.ts';
import type { Gone } from '../nodeconfig/observed.ts';

/** Asks the server itself, when what is known is about to remove something. */
export interface Evidence {
  /** UIDs of all Nodes; undefined where that cannot be said for certain, which a list without any is not. */
  nodeUids(): Promise<ReadonlySet<string> | undefined>;
  /**
   * Whether a peering that came to be then, in milliseconds, was deleted for certain. One that went with the definition of
   * its kind was not; the definition that is there now is then younger.
   */
  peeringWasDeleted(name: string, createdAt: number): Promise<boolean>;
}

/** What is needed to notice what a watch did not tell. */
export interface Sight {
  /** UIDs of Nodes that are there. */
  readonly nodes: ReadonlySet<string>;
  /** UIDs of Nodes that objects of ours are about. */
  readonly nodesInUse: ReadonlySet<string>;
  readonly peerings: ReadonlySet<string>;
  /** Names of peerings that nodes are told of, and when each came to be, in milliseconds, where that is known. */
  readonly peeringsInUse: ReadonlyMap<string, number | undefined>;
}

/**
 * Knows what is gone, as against what is only not seen. What may remove something is confirmed by asking once more. A list
 * without any Node says nothing; one without any peering is a reason to ask for each by its name.
 */
export class Departures {
  readonly #evidence: Evidence;
  readonly #changed: () => void;
  /** Since when. */
  readonly #nodes = new Map<string, number>();
  readonly #confirmedNodes = new Set<string>();
  /** When each came to be. */
  readonly #peerings = new Map<string, number>();
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

  /** Compares what is used with what is there, forgets what is back or no longer used, and has the rest confirmed. */
  look({ nodes, nodesInUse, peerings, peeringsInUse }: Sight, now: number): Gone {
    for (const uid of [...this.#nodes.keys()]) {
      if (nodes.has(uid) || !nodesInUse.has(uid)) this.#forgetNode(uid);
    }
    for (const [name, createdAt] of [...this.#peerings]) {
      if (peerings.has(name) || peeringsInUse.get(name) !== createdAt) this.#forgetPeering(name);
    }
    if (nodes.size > 0) {
      for (const uid of nodesInUse) if (!nodes.has(uid)) this.nodeIsGone(uid, now);
    }
    for (const [name, createdAt] of peeringsInUse) {
      if (createdAt !== undefined && !peerings.has(name)) this.#peerings.set(name, createdAt);
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
  isWaiting(now: number): boolean {
    return this.#unconfirmedNodes(now).length > 0 || this.#confirmedPeerings.size < this.#peerings.size;
  }

  async #confirm(now: number): Promise<void> {
    const nodes = this.#unconfirmedNodes(now);
    const peerings = [...this.#peerings].filter(([name]) => !this.#confirmedPeerings.has(name));
    if (this.#asking || nodes.length + peerings.length === 0) return;
    this.#asking = true;
    const confirmed = [await this.#confirmNodes(nodes), await this.#confirmPeerings(peerings)];
    this.#asking = false;
    if (confirmed.includes(true)) this.#changed();
  }

  #unconfirmedNodes(now: number): readonly string[] {
    return [...this.#nodes].flatMap(([uid, since]) =>
      now - since >= NODE_GRACE_MS && !this.#confirmedNodes.has(uid) ? [uid] : [],
    );
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

  async #confirmPeerings(peerings: readonly (readonly [name: string, createdAt: number])[]): Promise<boolean> {
    let confirmed = false;
    for (const [name, createdAt] of peerings) {
      if (!(await this.#evidence.peeringWasDeleted(name, createdAt))) continue;
      if (this.#peerings.get(name) !== createdAt) continue;
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
