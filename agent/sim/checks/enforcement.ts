import type { OutboundFate } from '../../dataplane/memory/packet.ts';
import type { PolicyDirection } from '../../dataplane/types.ts';
import type { Host } from '../host.ts';
import { flowText, inward, type Selection, selectionOf, wouldAccept } from '../selection.ts';
import { type Flow, otherSide, type Side } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * While a connection is wanted and Required, nothing of it leaves in plaintext and nothing is let in: at every instant,
 * with or without an SA, with or without an agent.
 */
export class EnforcementCheck implements Check {
  readonly #world: World;
  /** Flows of which a node that waits for a peer from anywhere has learnt the addresses; in this very event, so far. */
  readonly #learnt = new Set<Flow>();
  readonly #learning = new Set<Flow>();

  constructor(world: World) {
    this.#world = world;
  }

  selectionChanged(flow: Flow, _: Selection, after: Selection): void {
    if (after.kind !== 'sa' || !this.#waits(flow, flow.side)) return;
    for (const other of this.#world.flowsOf(flow.pair)) {
      if (other.child === flow.child) this.#learning.add(other);
    }
  }

  /** Policies come one after the other. */
  eventEnded(): void {
    if (this.#learning.size === 0) return;
    for (const flow of this.#learning) this.#learnt.add(flow);
    this.#learning.clear();
  }

  kernelChanged(host: Host): void {
    this.#judgeSent(host, (flow) => this.#world.selected(flow));
    this.#judgeReceived(host);
  }

  packetSent(flow: Flow, fate: OutboundFate): void {
    if (fate.kind !== 'plain' || !this.#isPromised(flow, flow.side)) return;
    const host = this.#world.hostOf(flow.sender);
    this.#judge(host, 'out', flow, true);
  }

  tick(): void {
    for (const host of this.#world.hosts) {
      if (!host.running) continue;
      this.#judgeSent(host, (flow) => selectionOf(host, flow));
      this.#judgeReceived(host);
    }
  }

  #judgeSent(host: Host, select: (flow: Flow) => Selection): void {
    for (const flow of this.#world.flowsFrom(host.node)) {
      if (this.#isPromised(flow, flow.side)) this.#judge(host, 'out', flow, select(flow).kind === 'plain');
    }
  }

  #judgeReceived(host: Host): void {
    for (const flow of this.#world.flowsTo(host.node)) {
      if (!this.#isPromised(flow, otherSide(flow.side))) continue;
      this.#judge(host, inward(flow), flow, wouldAccept(host, flow, undefined));
    }
  }

  /**
   * Between hosts the address of a peer from anywhere is not known before it has called: until then nobody can say what is
   * to be encrypted.
   */
  #isPromised(flow: Flow, side: Side): boolean {
    if (flow.child.enforcement !== 'Required') return false;
    const waits = this.#waits(flow, side);
    const wanted = this.#world.isWanted(flow.pair, side);
    if (waits && !wanted) this.#learnt.delete(flow);
    return wanted && (!waits || this.#learnt.has(flow));
  }

  #waits(flow: Flow, side: Side): boolean {
    return this.#world.scenario.pairs[flow.pair]?.natted === otherSide(side) && flow.child.prefixes[0].length === 0;
  }

  #judge(host: Host, direction: PolicyDirection, flow: Flow, open: boolean): void {
    if (!open) return;
    const { ledger, clock } = this.#world;
    const nowMs = clock.monotonicMs();
    const refusal = ledger
      .refusalsOf(host.node)
      .ofPolicy(direction, direction === 'out' ? flow.compiled : flow.compiledReceived, nowMs);
    // Without an agent nobody can try again.
    if (refusal !== undefined && !host.running) return;
    if (refusal !== undefined && Math.max(refusal.atMs, host.startedAtMs) + RETRY_MS >= nowMs) return;
    const way = direction === 'out' ? 'out of' : 'into';
    const text = `plaintext may pass ${way} ${host.name} although it is Required: ${flowText(flow)}`;
    this.#world.violate('enforcement', text);
  }
}

/** Longest time until an agent gives an order again that its kernel has refused (`kernelRetryCeilingMs`), and a moment. */
const RETRY_MS = 11_000;
