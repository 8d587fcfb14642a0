import type { TableState } from '../../dataplane/memory/state-table.ts';
import { flowText, type Selection } from '../selection.ts';
import { type Flow, nodeName } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * A flow that has an SA keeps one, through every replacement, retransmission and restart of an agent, unless something
 * happened that ends SAs: an order, a reboot, a hard limit, a kernel that refuses, a peer that does not answer, or that does
 * not believe who has granted the SA.
 */
export class ContinuityCheck implements Check {
  readonly #world: World;
  /** Since when each flow has had an SA. */
  readonly #upSinceMs = new Map<Flow, number>();
  /** Flows that have just lost their SA; what was the cause of it is known when the event is over. */
  readonly #lost = new Map<Flow, TableState>();

  constructor(world: World) {
    this.#world = world;
  }

  selectionChanged(flow: Flow, before: Selection, after: Selection): void {
    const world = this.#world;
    if (after.kind === 'sa') {
      if (before.kind !== 'sa') this.#upSinceMs.set(flow, world.clock.monotonicMs());
      return;
    }
    if (before.kind === 'sa') this.#lost.set(flow, before.state);
  }

  eventEnded(): void {
    if (this.#lost.size === 0) return;
    for (const [flow, state] of this.#lost) this.#judge(flow, state);
    this.#lost.clear();
  }

  #judge(flow: Flow, state: TableState): void {
    const world = this.#world;
    const since = this.#upSinceMs.get(flow) ?? 0;
    if (world.ledger.causesSince(flow.pair, since - CAUSE_PRECEDES_MS).length > 0) return;
    if (this.#isDisbelieved(flow, state)) return;
    const seconds = (world.clock.monotonicMs() - since) / 1_000;
    world.violate('continuity', `${flowText(flow)} lost its SA after ${seconds} s, and nothing happened that ends SAs`);
  }

  /** A responder has its SA before the initiator has looked at its proof, and never has what it does not believe. */
  #isDisbelieved({ sender, receiver }: Flow, { id, addedAtMs }: TableState): boolean {
    const { ledger } = this.#world;
    const atMs = ledger.distrustedAt(nodeName(sender), nodeName(receiver)) ?? Number.NEGATIVE_INFINITY;
    const had = this.#world.stateAt(this.#world.hostOf(receiver), id) ?? ledger.gone(this.#world.ownName(id));
    return had === undefined && atMs >= addedAtMs - DISTRUST_PRECEDES_MS;
  }
}

/** A cause may be older than the SA that it ends: a Delete that was repeated, a peer found dead twice. */
const CAUSE_PRECEDES_MS = 45_000;
/** A verifier that is broken is asked some time before its deadline. */
const DISTRUST_PRECEDES_MS = 21_000;
