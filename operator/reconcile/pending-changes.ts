import type { Change } from '../nodeconfig/changes.ts';
import type { WantedStatus } from '../nodeconfig/judge.ts';
import { sameContent } from '../nodeconfig/same-content.ts';

/** What names a change among all: one of each object, and one of its status. */
export function changeKey(change: Change): string {
  if (change.kind === 'applyStatus') return `status of ${change.peering.kind} ${change.peering.metadata.name}`;
  const { kind, metadata } = change.object;
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}

/** What is to be written, by key: what the newest plan wants and was not written yet. */
export class PendingChanges {
  readonly #changes = new Map<string, Change>();
  /** UIDs of objects whose deletion the server took, until the watch tells it. */
  readonly #deleted = new Map<string, string | undefined>();

  get size(): number {
    return this.#changes.size;
  }

  of(key: string): Change | undefined {
    return this.#changes.get(key);
  }

  /** Takes what a new plan wants; answers what is new or otherwise than before, and what is no longer wanted. */
  replace(changes: readonly Change[]): { readonly fresh: readonly string[]; readonly dropped: readonly string[] } {
    const wanted = new Map(changes.map((change) => [changeKey(change), change]));
    for (const key of this.#deleted.keys()) if (wanted.get(key)?.kind !== 'delete') this.#deleted.delete(key);
    const dropped = [...this.#changes.keys()].filter((key) => !wanted.has(key));
    for (const key of dropped) this.#changes.delete(key);
    const fresh: string[] = [];
    for (const [key, change] of wanted) {
      if (change.kind === 'delete' && this.#deleted.has(key) && this.#deleted.get(key) === change.uid) continue;
      const before = this.#changes.get(key);
      this.#changes.set(key, change);
      if (before === undefined || !sameContent(before, change)) fresh.push(key);
    }
    return { fresh, dropped };
  }

  /** A change was written; one that was wanted meanwhile stays. */
  written(key: string, change: Change): void {
    if (this.#changes.get(key) === change) this.#changes.delete(key);
    if (change.kind === 'delete') this.#deleted.set(key, change.uid);
  }
}

/** How long a status may wait, so that one write tells of many changes. */
export function statusDelayMs(before: WantedStatus | undefined, after: WantedStatus): number {
  if (before?.conditions === undefined) return FIRST_STATUS_MS;
  const judgement = ({ observedGeneration, enforcement, conditions = [] }: WantedStatus) => ({
    observedGeneration,
    enforcement,
    conditions: conditions.map(({ type, status, reason }) => ({ type, status, reason })),
  });
  return sameContent(judgement(before), judgement(after)) ? COUNTS_MS : CONDITIONS_MS;
}

/** Whoever has just written a peering waits to see what comes of it. */
const FIRST_STATUS_MS = 500;
const CONDITIONS_MS = 5_000;
/** A node that joins changes counts several times until it is up, and each write goes to everybody who watches. */
const COUNTS_MS = 30_000;
