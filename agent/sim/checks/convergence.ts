import type { ConnectionStatus, EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import type { PairPlan } from '../scenario.ts';
import { flowText, selectionOf, wouldAccept } from '../selection.ts';
import { nodeName, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * After the calm every pair that is in the lists of both comes to exactly one IKE SA with exactly one Child SA of each kind, over which
 * both directions deliver; and it stays so, but for the moments of a replacement, in which both still deliver.
 */
export class ConvergenceCheck implements Check {
  readonly #world: World;
  /** Since when each thing has been wrong with a settled pair. */
  readonly #wrongSinceMs = new Map<string, number>();
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

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    const world = this.#world;
    if (world.phase === 'disturbed') return;
    const listed = [...world.scenario.pairs.keys()].filter((pair) => world.isListedByBoth(pair));
    const faults = new Map(listed.map((pair) => [pair, this.#faultsOf(pair, statuses)]));
    if (world.phase === 'settling') this.#settle(faults);
    else this.#watch(faults);
  }

  /** What is there twice may take the time of a replacement, and is watched later. */
  #settle(faults: ReadonlyMap<number, Faults>): void {
    const world = this.#world;
    const calmForMs = world.clock.elapsedMs - world.scenario.calmAtMs;
    for (const [pair, { lacks }] of faults) {
      const all = [...lacks, this.#brokenFlow(pair)].filter((fault) => fault !== undefined);
      const timeoutMs = world.scenario.pairs[pair]?.liveness.timeoutMs ?? 0;
      // A question that was lost before the calm may find the peer dead up to then.
      if (calmForMs > timeoutMs && all.length === 0) this.#settled.add(pair);
      else if (!this.#settled.has(pair) && calmForMs > SETTLE_MS) {
        world.violate('convergence', `${SETTLE_MS / 1_000} s after the calm ${all[0]}`);
      }
    }
    if (this.#settled.size === faults.size) this.#settledInMs = calmForMs;
  }

  /** A replacement may take its time; delivery may not pause. */
  #watch(faults: ReadonlyMap<number, Faults>): void {
    const world = this.#world;
    for (const pair of faults.keys()) {
      const failing = this.#brokenFlow(pair);
      if (failing !== undefined) world.violate('convergence', `a settled pair stopped working: ${failing}`);
    }
    const present = new Set([...faults.values()].flatMap(({ lacks, surplus }) => [...lacks, ...surplus]));
    for (const known of this.#wrongSinceMs.keys()) if (!present.has(known)) this.#wrongSinceMs.delete(known);
    for (const fault of present) {
      const sinceMs = this.#wrongSinceMs.get(fault) ?? world.clock.elapsedMs;
      this.#wrongSinceMs.set(fault, sinceMs);
      if (world.clock.elapsedMs - sinceMs <= REPLACEMENT_MS) continue;
      world.violate('convergence', `for ${REPLACEMENT_MS / 1_000} s of calm ${fault}`);
    }
  }

  /** What is not as it should be with a pair, each in words that do not change while it lasts. */
  #faultsOf(pair: number, statuses: readonly (EndpointStatus | undefined)[]): Faults {
    const plan = this.#world.scenario.pairs[pair];
    const sides = ([0, 1] as const).map((side) => {
      const node = plan?.nodes[side] ?? 0;
      const peer = nodeName(plan?.nodes[otherSide(side)] ?? 0);
      const connection = statuses[node]?.connections.find(({ name }) => name === peer);
      const names = plan?.children.map(({ name }) => name) ?? [];
      const { lacks, surplus } =
        connection === undefined
          ? NO_CONNECTION
          : connectionFaults(connection, names, this.#forgottenSinceMs(), (startedAtMs) =>
              this.#isHopeless(plan, startedAtMs),
            );
      const tell = (fault: string): string => `${nodeName(node)} has ${fault} with ${peer}`;
      return { lacks: lacks.map(tell), surplus: surplus.map(tell) };
    });
    return { lacks: sides.flatMap(({ lacks }) => lacks), surplus: sides.flatMap(({ surplus }) => surplus) };
  }

  /** Whether an attempt may go on although nothing can come of it. */
  #isHopeless(plan: PairPlan | undefined, startedAtMs: number): boolean {
    const { ledger, clock } = this.#world;
    const [left, right] = plan?.nodes ?? [0, 0];
    return ledger.isHopeless(left, right, startedAtMs, clock.monotonicMs());
  }

  /**
   * IKE SAs that are older than this, by the clock, may be there although the peer has forgotten them: those from before
   * the calm, until they are found dead.
   */
  #forgottenSinceMs(): number {
    const { clock, scenario } = this.#world;
    const calmForMs = clock.elapsedMs - scenario.calmAtMs;
    return calmForMs > FORGOTTEN_MS ? 0 : clock.monotonicMs() - calmForMs;
  }

  /** A flow of the pair that would not be delivered through an SA. */
  #brokenFlow(pair: number): string | undefined {
    const world = this.#world;
    for (const flow of world.flowsOf(pair)) {
      const receiver: Host = world.hostOf(flow.receiver);
      const selection = selectionOf(world.hostOf(flow.sender), flow);
      if (selection.kind !== 'sa') return `${flowText(flow)} has no SA (${selection.kind})`;
      const there = world.stateAt(receiver, selection.state.id);
      if (there === undefined || there.larval) return `${flowText(flow)} has an SA that the receiver lacks`;
      if (!wouldAccept(receiver, flow, there)) return `${flowText(flow)} is refused by the receiver's policies`;
      if (!world.passesNat(flow, selection.state)) return `${flowText(flow)} goes to where the NAT lets nothing in`;
    }
    return undefined;
  }
}

/** What a connection lacks, and what it has twice. */
interface Faults {
  readonly lacks: readonly string[];
  readonly surplus: readonly string[];
}

function connectionFaults(
  { ikeSas }: ConnectionStatus,
  names: readonly string[],
  forgottenSinceMs: number,
  isHopeless: (startedAtMs: number) => boolean,
): Faults {
  const newest = ikeSas.filter((sa) => sa.state === 'established').at(-1);
  if (newest === undefined) return { lacks: ['no established IKE SA'], surplus: [] };
  const others = ikeSas
    .filter((sa) => sa !== newest && sa.startedAt >= forgottenSinceMs)
    .filter(({ state, startedAt }) => state !== 'connecting' || !isHopeless(startedAt))
    .map((sa) => `IKE SA ${sa.number} beside another one`);
  const missing = names.filter((name) => !newest.children.some((child) => child.name === name));
  const double = newest.children.filter(
    (child, index, all) => all.findLastIndex(({ name }) => name === child.name) !== index,
  );
  return {
    lacks: missing.map((name) => `no Child SA ${name}`),
    surplus: [
      ...others,
      ...double.map((child) => `Child SA ${child.inboundSpi.toString(16)} beside another ${child.name}`),
    ],
  };
}

const NO_CONNECTION: Faults = { lacks: ['no connection'], surplus: [] };
/**
 * Within this time of calm every pair is up. It is the sum of what may be pending at its beginning: a request that is
 * repeated for 60 s to a peer that has forgotten it, and the longest wait before the next attempt, 75 s; liveness and an
 * unanswered ACQUIRE take 45 s and 30 s, but not on top of both.
 */
const SETTLE_MS = 150_000;
/** Longest time that a pair may have more than one SA of a kind: the wait and the grace before a duplicate is deleted. */
const REPLACEMENT_MS = 25_000;
/** The longest time between two questions, 15 s, and the longest that an answer is waited for, 60 s, and a moment. */
const FORGOTTEN_MS = 80_000;
