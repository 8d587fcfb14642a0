import type { OutboundFate } from '../../dataplane/memory/packet.ts';
import type { Host } from '../host.ts';
import { flowText, selectionOf, wouldAccept } from '../selection.ts';
import { type Flow, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * While a connection is wanted and Required, nothing of it leaves in plaintext and nothing is let in: at every instant,
 * with or without an SA, with or without an agent.
 */
export class EnforcementCheck implements Check {
  readonly #world: World;
  /** Since when a way is open that a refused policy would have closed, by flow and end. */
  readonly #openSinceMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  kernelChanged(host: Host): void {
    const world = this.#world;
    for (const flow of world.flowsFrom(host.node)) {
      if (!isRequired(flow) || !world.isWanted(flow.pair, flow.side)) continue;
      this.#judge(host, `out of ${host.name}`, flow, selectionOf(host, flow).kind === 'plain');
    }
    for (const flow of world.flowsTo(host.node)) {
      if (!isRequired(flow) || !world.isWanted(flow.pair, otherSide(flow.side))) continue;
      this.#judge(host, `into ${host.name}`, flow, wouldAccept(host, flow, undefined));
    }
  }

  packetSent(flow: Flow, fate: OutboundFate): void {
    if (fate.kind !== 'plain' || !isRequired(flow) || !this.#world.isWanted(flow.pair, flow.side)) return;
    const host = this.#world.hostOf(flow.sender);
    this.#judge(host, `out of ${host.name}`, flow, true);
  }

  tick(): void {
    for (const host of this.#world.hosts) if (host.running) this.kernelChanged(host);
  }

  #judge(host: Host, way: string, flow: Flow, open: boolean): void {
    const world = this.#world;
    const key = `${way} ${flowText(flow)}`;
    if (!open) {
      this.#openSinceMs.delete(key);
      return;
    }
    const nowMs = world.clock.monotonicMs();
    const sinceMs = this.#openSinceMs.get(key) ?? nowMs;
    this.#openSinceMs.set(key, sinceMs);
    const refusedAtMs = world.ledger.policyRefusedAt(host.node);
    // Without an agent nobody can try again.
    if (refusedAtMs !== undefined && !host.running) return;
    if (refusedAtMs !== undefined && Math.max(refusedAtMs, sinceMs, host.startedAtMs) + RETRY_MS >= nowMs) return;
    world.violate('enforcement', `plaintext may pass ${way} although it is Required: ${flowText(flow)}`);
  }
}

function isRequired(flow: Flow): boolean {
  return flow.child.enforcement === 'Required';
}

/** How long after a kernel refused a policy the agent may take to put it in place. */
const RETRY_MS = 5_000;
