import type { ConnectionStatus, EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import { flowText, selectionOf, wouldAccept } from '../selection.ts';
import { nodeName, otherSide, type Side } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * After the calm every configured pair comes to exactly one IKE SA with exactly one Child SA of each kind, over which
 * both directions deliver; and it stays so, but for the moments of a replacement, in which both still deliver.
 */
export class ConvergenceCheck implements Check {
  readonly #world: World;
  readonly #unsettledSinceMs = new Map<number, number>();
  /** Pairs that were as they should be at some time of the calm. */
  readonly #settled = new Set<number>();
  #settledInMs: number | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** How long after the calm the last pair was as it should be; undefined before. */
  get settledInMs(): number | undefined {
    return this.#settledInMs;
  }

  tick(): void {
    const world = this.#world;
    if (world.phase === 'disturbed') return;
    const statuses = world.hosts.map((host) => host.status());
    const calmForMs = world.clock.elapsedMs - world.scenario.calmAtMs;
    const faults = world.scenario.pairs.map((_, pair) => this.#faultOf(pair, statuses));
    if (world.phase === 'settling') {
      for (const [pair, fault] of faults.entries()) if (fault === undefined) this.#settled.add(pair);
      const fault = faults.find((_, pair) => !this.#settled.has(pair));
      if (fault === undefined) this.#settledInMs = calmForMs;
      else if (calmForMs > SETTLE_MS) world.violate('convergence', `${SETTLE_MS / 1_000} s after the calm ${fault}`);
      return;
    }
    for (const [pair, fault] of faults.entries()) this.#watch(pair, fault);
  }

  /** A replacement may take its time; delivery may not pause. */
  #watch(pair: number, fault: string | undefined): void {
    const world = this.#world;
    const failing = this.#brokenFlow(pair);
    if (failing !== undefined) world.violate('convergence', `a settled pair stopped working: ${failing}`);
    if (fault === undefined) {
      this.#unsettledSinceMs.delete(pair);
      return;
    }
    const sinceMs = this.#unsettledSinceMs.get(pair) ?? world.clock.elapsedMs;
    this.#unsettledSinceMs.set(pair, sinceMs);
    if (world.clock.elapsedMs - sinceMs <= REPLACEMENT_MS) return;
    world.violate('convergence', `for ${REPLACEMENT_MS / 1_000} s of calm ${fault}`);
  }

  #faultOf(pair: number, statuses: readonly (EndpointStatus | undefined)[]): string | undefined {
    for (const side of [0, 1] as const) {
      const fault = this.#faultAt(pair, side, statuses);
      if (fault !== undefined) return fault;
    }
    return this.#brokenFlow(pair);
  }

  #faultAt(pair: number, side: Side, statuses: readonly (EndpointStatus | undefined)[]): string | undefined {
    const plan = this.#world.scenario.pairs[pair];
    if (plan === undefined) return undefined;
    const node = plan.nodes[side];
    const peer = nodeName(plan.nodes[otherSide(side)]);
    const connection = statuses[node]?.connections.find(({ name }) => name === peer);
    const fault = connection === undefined ? 'no connection' : connectionFault(connection, plan.children.length);
    return fault && `${nodeName(node)} has ${fault} with ${peer}`;
  }

  /** A flow of the pair that would not be delivered through an SA. */
  #brokenFlow(pair: number): string | undefined {
    const world = this.#world;
    for (const flow of world.flows) {
      if (flow.pair !== pair) continue;
      const receiver: Host = world.hostOf(flow.receiver);
      const selection = selectionOf(world.hostOf(flow.sender), flow);
      if (selection.kind !== 'sa') return `${flowText(flow)} has no SA (${selection.kind})`;
      const there = receiver.kernel.kernel.states.find(selection.state.id);
      if (there === undefined || there.larval) return `${flowText(flow)} has an SA that the receiver lacks`;
      if (!wouldAccept(receiver, flow, there)) return `${flowText(flow)} is refused by the receiver's policies`;
    }
    return undefined;
  }
}

function connectionFault(connection: ConnectionStatus, children: number): string | undefined {
  const { ikeSas } = connection;
  const established = ikeSas.filter((sa) => sa.state === 'established');
  if (established.length !== 1) return `${established.length} established IKE SAs`;
  if (ikeSas.length !== 1) return `${ikeSas.length - 1} IKE SAs beside the established one`;
  const names = (established[0]?.children ?? []).map((child) => child.name);
  if (names.length === children && new Set(names).size === children) return undefined;
  return `Child SAs [${names.join(', ')}] instead of one of each of ${children}`;
}

/**
 * Within this time of calm every pair is up. It is the sum of what may be pending at its beginning: a request that is
 * repeated for 60 s to a peer that has forgotten it, and the longest wait before the next attempt, 75 s; liveness and an
 * unanswered ACQUIRE take 45 s and 30 s, but not on top of both.
 */
const SETTLE_MS = 150_000;
/** Longest time that a pair may have more than one SA of a kind: the wait and the grace before a duplicate is deleted. */
const REPLACEMENT_MS = 25_000;
