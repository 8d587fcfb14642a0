import { flowText, type Selection } from '../selection.ts';
import type { Flow } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * A flow that has an SA keeps one, through every replacement, retransmission and restart of an agent, unless something
 * happened that ends SAs: an order, a reboot, a hard limit, a kernel that refuses, a peer that does not answer.
 */
export class ContinuityCheck implements Check {
  readonly #world: World;
  /** Since when each flow has had an SA. */
  readonly #upSinceMs = new Map<Flow, number>();
  /** Flows that have just lost their SA; what was the cause of it is known when the event is over. */
  readonly #lost = new Set<Flow>();

  constructor(world: World) {
    this.#world = world;
  }

  selectionChanged(flow: Flow, before: Selection, after: Selection): void {
    const world = this.#world;
    if (after.kind === 'sa') {
      if (before.kind !== 'sa') this.#upSinceMs.set(flow, world.clock.monotonicMs());
      return;
    }
    if (before.kind === 'sa') this.#lost.add(flow);
  }

  eventEnded(): void {
    if (this.#lost.size === 0) return;
    for (const flow of this.#lost) this.#judge(flow);
    this.#lost.clear();
  }

  #judge(flow: Flow): void {
    const world = this.#world;
    const since = this.#upSinceMs.get(flow) ?? 0;
    if (world.ledger.causesSince(flow.pair, since - CAUSE_PRECEDES_MS).length > 0) return;
    const seconds = (world.clock.monotonicMs() - since) / 1_000;
    world.violate('continuity', `${flowText(flow)} lost its SA after ${seconds} s, and nothing happened that ends SAs`);
  }
}

/** A cause may be older than the SA that it ends: a Delete that was repeated, a peer found dead twice. */
const CAUSE_PRECEDES_MS = 45_000;
