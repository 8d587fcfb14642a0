import type { Fact } from '../../ike/fact.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import type { EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import { flowText, saText } from '../selection.ts';
import { type Flow, nodeName } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * Where the way drops ESP and lets UDP pass, and nothing else goes wrong, the sender says so in time, and goes over to ESP in
 * UDP; that it does once, and stays.
 */
export class EspDroppedCheck implements Check {
  readonly #world: World;
  /** Since when the pairs have been watched, with nothing else going wrong. */
  #watchedSinceMs: number | undefined;
  /** How often each run of an agent has gone over, by connection. */
  readonly #fallbacks = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind !== 'espFallback') return;
    // A connection that was taken out and put in again knows nothing of before.
    const putInAtMs = this.#world.ledger.putInAt(host.node, this.#peerOf(fact.connection));
    const key = `${host.node} ${host.incarnation} ${fact.connection} ${putInAtMs}`;
    const count = (this.#fallbacks.get(key) ?? 0) + 1;
    this.#fallbacks.set(key, count);
    if (count === 1) return;
    this.#world.violate('espDropped', `${host.name} goes over to ESP in UDP with ${fact.connection} once more`);
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    const world = this.#world;
    const { minDelayMs, maxDelayMs } = world.scenario.network;
    if (world.phase !== 'watched' || minDelayMs + maxDelayMs >= DEFAULT_LIMITS.retransmitFirstMs) return;
    this.#watchedSinceMs ??= world.clock.monotonicMs();
    for (const flow of world.flows) {
      if (world.isListedByBoth(flow.pair)) this.#judge(flow, statuses[flow.sender], this.#watchedSinceMs);
    }
  }

  #judge(flow: Flow, status: EndpointStatus | undefined, sinceMs: number): void {
    const world = this.#world;
    const selection = world.selected(flow);
    if (selection.kind !== 'sa' || selection.state.udpEncapsulation !== undefined || status === undefined) return;
    const nowMs = world.clock.monotonicMs();
    const { filteredAtMs } = world.deliveries.of(flow.receiver, selection.state.id.spi, nowMs);
    const dueAtMs = toldBy(filteredAtMs.filter((atMs) => atMs >= sinceMs));
    if (dueAtMs === undefined || nowMs <= dueAtMs) return;
    const what = `${flowText(flow)}: for ${(nowMs - (filteredAtMs[0] ?? 0)) / 1_000} s ESP on ${saText(selection.state.id)} is dropped`;
    const verdict = world
      .hostOf(flow.sender)
      .verdicts(status)
      .find(({ name }) => name === nodeName(flow.receiver));
    if (verdict !== undefined && UNAWARE.has(verdict.reason)) {
      world.violate('espDropped', `${what}, and the status says ${verdict.reason}: ${verdict.message}`);
    }
    if (nowMs > dueAtMs + GONE_OVER_MS) world.violate('espDropped', `${what}, and it does not go in UDP`);
  }

  #peerOf(connection: string): number {
    return this.#world.hosts.findIndex(({ name }) => name === connection);
  }
}

/**
 * By when a sender knows that what was sent at these times is lost, whenever it surveys its kernel; undefined where they are
 * too few. Where packets come from the peer its questions must raise a doubt first.
 */
function toldBy(atMs: readonly number[]): number | undefined {
  const [firstMs = 0] = atMs;
  // Until its second survey the peer may tell of packets that came before, which clears what was sent until then.
  const countingMs = atMs.filter((each) => each > firstMs + 2 * SURVEY_MS);
  const knownAtMs = PHASES_MS.map((phaseMs) => knownBy(countingMs, phaseMs));
  if (!knownAtMs.every((each) => each !== undefined)) return undefined;
  return Math.max(firstMs + LEAST_MS, Math.max(...knownAtMs) + DOUBT_MS);
}

function knownBy(atMs: readonly number[], phaseMs: number): number | undefined {
  const { lossPackets, lossPacketsAtOnce } = DEFAULT_LIMITS;
  const rounds = Map.groupBy(atMs, (each) => Math.ceil((each - phaseMs) / SURVEY_MS));
  let lost = 0;
  for (const [survey, packets] of rounds) {
    lost += Math.min(packets.length, lossPacketsAtOnce);
    // The packets of a survey are known to be lost at the next one.
    if (lost >= lossPackets) return (survey + 1) * SURVEY_MS + phaseMs;
  }
  return undefined;
}

/** What a status says that knows nothing of it. */
const UNAWARE: ReadonlySet<string> = new Set(['Proven', 'Unproven', 'FellBackToUDP']);
const SURVEY_MS = 2_000;
const PHASES_MS = [0, 500, 1_000, 1_500];
/** Two surveys of the peer's, by which it asks, and a moment. */
const DOUBT_MS = 5_000;
/** What is promised to people. */
const LEAST_MS = 15_000;
/** A responder's patience, and a new IKE SA. */
const GONE_OVER_MS = 15_000;
