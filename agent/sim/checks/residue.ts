import type { TablePolicy } from '../../dataplane/memory/policy-table.ts';
import { isBypassPolicy, isOurIndex } from '../../dataplane/ownership.ts';
import type { Fact } from '../../ike/fact.ts';
import type { EndpointStatus } from '../../ike/types.ts';
import { ExchangeType } from '../../wire/registry.ts';
import type { Host } from '../host.ts';
import { saText } from '../selection.ts';
import { nodeName, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * Nothing stays of what is over: SAs in a kernel that belong to no Child SA, policies that nobody wants, half-open and
 * unfinished IKE SAs, SPIs that are reserved for nothing. And nothing grows, calm or not.
 */
export class ResidueCheck implements Check {
  readonly #world: World;
  readonly #sinceMs = new Map<string, number>();
  /** When IKE SAs were closed, and when somebody asked for one. */
  readonly #closedAtMs = new Map<Host, number[]>();
  readonly #begunAtMs = new Map<Host, number[]>();
  /** When one of two nodes last found the other one dead, who need not know of it, by both names. */
  readonly #foundDeadAtMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind !== 'ikeSaClosed') return;
    remember(this.#closedAtMs, host, this.#world.clock.elapsedMs);
    if (fact.reason !== 'peerDead') return;
    for (const pair of [`${host.name} ${fact.connection}`, `${fact.connection} ${host.name}`]) {
      this.#foundDeadAtMs.set(pair, this.#world.clock.elapsedMs);
    }
  }

  datagramArrived(host: Host, bytes: Uint8Array): void {
    const request = ((bytes[FLAGS_OFFSET] ?? 0) & RESPONSE_FLAG) === 0;
    if (bytes[EXCHANGE_OFFSET] === ExchangeType.IKE_SA_INIT && request) {
      remember(this.#begunAtMs, host, this.#world.clock.elapsedMs);
    }
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    for (const host of this.#world.hosts) {
      const status = statuses[host.node];
      if (status === undefined) continue;
      this.#bounds(host, status);
      if (this.#world.phase === 'watched') this.#leftovers(host, status);
    }
  }

  /** Bounds that hold at any time. */
  #bounds(host: Host, status: EndpointStatus): void {
    const world = this.#world;
    const peers = Math.max(1, status.connections.length);
    const tooMany = (what: string, count: number, most: number): void => {
      if (count > most) world.violate('residue', `${host.name} has ${count} ${what}, at most ${most} can be in use`);
    };
    for (const connection of status.connections) {
      tooMany(`IKE SAs with ${connection.name}`, connection.ikeSas.length, MOST_IKE_SAS);
    }
    tooMany('SAs in the kernel', host.kernel.kernel.states.all().filter((sa) => !sa.larval).length, MOST_SAS * peers);
    tooMany('reserved ESP SPIs', status.tables.espSpis, MOST_SAS * peers);
    tooMany('queued requests', status.tables.queuedRequests, MOST_QUEUED * peers);
    tooMany('verifications', status.tables.verifications, MOST_IKE_SAS * peers);
    tooMany('half-open IKE SAs', status.halfOpen, MOST_HALF_OPEN * peers);
    tooMany('incomplete messages', status.tables.incompleteMessages, 2 * status.tables.ikeSas);
  }

  /** What may be there for a moment, but not for long. */
  #leftovers(host: Host, status: EndpointStatus): void {
    const nowMs = this.#world.clock.elapsedMs;
    const present = new Set<string>();
    const note = (what: string): void => {
      present.add(`${host.name} ${what}`);
    };
    const owned = new Set<number>();
    let inbound = 0;
    const strangers = this.#strangersTo(host);
    for (const { name, ikeSas } of status.connections) {
      for (const ikeSa of ikeSas) {
        const isVain = strangers.has(name) || this.#isHopeless(host, name, ikeSa.startedAt);
        const hopeless = ikeSa.state === 'connecting' && isVain;
        if (ikeSa.state !== 'established' && !hopeless) note(`IKE SA ${ikeSa.number}, ${ikeSa.state}`);
        for (const child of ikeSa.children) owned.add(child.inboundSpi).add(child.outboundSpi);
      }
    }
    for (const sa of host.kernel.kernel.states.all()) {
      if (sa.direction === 'in') inbound += 1;
      const peers = this.#peersOf(host, sa.reqid);
      // Nothing takes the place of what a peer had that is not heard of again: its kernel may go on with it.
      if (sa.larval || owned.has(sa.id.spi) || peers.some((peer) => strangers.has(peer))) continue;
      if (!this.#mayBeUntold(host, peers, nowMs)) note(`SA ${saText(sa.id)} in the kernel`);
    }
    if (status.halfOpen > lately(this.#begunAtMs, host, nowMs - HALF_OPEN_MS)) note('half-open IKE SAs');
    if (status.tables.verifications > 0) note('verifications');
    // An SA that retires may have reached a limit, while its SPI stays reserved.
    const peers = status.connections.map(({ name }) => name);
    if (status.tables.espSpis > inbound && !this.#mayBeUntold(host, peers, nowMs))
      note('ESP SPIs that are reserved for nothing');
    const listed = status.connections.reduce((sum, { ikeSas }) => sum + ikeSas.length, 0);
    const ending =
      lately(this.#closedAtMs, host, nowMs - CLOSED_MS) +
      lately(this.#begunAtMs, host, nowMs - HALF_OPEN_MS - CLOSED_MS);
    if (status.tables.ikeSas > listed + ending) note('IKE SAs of no connection');
    for (const text of this.#unwantedPolicies(host)) note(text);
    this.#judge(host, present);
  }

  /** The names of those in whose lists a host is not: it calls them in vain. */
  #strangersTo({ node }: Host): ReadonlySet<string> {
    const world = this.#world;
    const peers = world.scenario.pairs.map(({ nodes }, pair) => {
      const side = nodes[0] === node ? 1 : 0;
      return nodes.includes(node) && !world.isListed(pair, side) ? [nodeName(nodes[side])] : [];
    });
    return new Set(peers.flat());
  }

  /** Whether an attempt may go on although nothing can come of it. */
  #isHopeless({ node }: Host, peer: string, startedAtMs: number): boolean {
    const { ledger, clock, hosts } = this.#world;
    const other = hosts.find(({ name }) => name === peer)?.node ?? node;
    return ledger.isHopeless(node, other, startedAtMs, clock.monotonicMs());
  }

  /** The peer whose Child has this reqid. */
  #peersOf({ node }: Host, reqid: number): readonly string[] {
    const flow = this.#world.flowsFrom(node).find((each) => each.reqid === reqid);
    return flow === undefined ? [] : [nodeName(flow.receiver)];
  }

  /**
   * Whether one of these peers may still believe in an IKE SA: it did not get its Delete before the calm, or was found dead, which it
   * is not told. What it could send on by that stays until it has found the IKE SA dead; then it is as much of a leftover
   * as anything.
   */
  #mayBeUntold(host: Host, peers: readonly string[], nowMs: number): boolean {
    const { pairs, calmAtMs } = this.#world.scenario;
    const foundDeadAtMs = peers.map((peer) => this.#foundDeadAtMs.get(`${host.name} ${peer}`) ?? NEVER);
    const longestMs = Math.max(...pairs.map(({ liveness }) => liveness.intervalMs + liveness.timeoutMs));
    return nowMs - Math.max(calmAtMs, ...foundDeadAtMs) <= longestMs + CLOSED_MS;
  }

  *#unwantedPolicies(host: Host): Generator<string> {
    const met = this.#metPolicies(host);
    for (const policy of host.kernel.kernel.policies.all()) {
      const { direction, selector, priority } = policy.spec;
      const { index } = policy;
      if (!isOurIndex(index) || isBypassPolicy({ index, priority }) || met.has(policy)) continue;
      yield `${direction} policy for ${selector.source.address} to ${selector.destination.address}`;
    }
  }

  /** The policies that packets of some flow that is wanted meet on a host. */
  #metPolicies(host: Host): ReadonlySet<TablePolicy> {
    const world = this.#world;
    const { policies } = host.kernel.kernel;
    const met = new Set<TablePolicy | undefined>();
    for (const { compiled, pair, side } of world.flowsFrom(host.node)) {
      if (world.isListed(pair, side)) met.add(policies.lookup('out', compiled));
    }
    for (const { compiledReceived, pair, side } of world.flowsTo(host.node)) {
      if (!world.isListed(pair, otherSide(side))) continue;
      met.add(policies.lookup('in', compiledReceived)).add(policies.lookup('fwd', compiledReceived));
    }
    met.delete(undefined);
    return met as ReadonlySet<TablePolicy>;
  }

  #judge(host: Host, present: ReadonlySet<string>): void {
    const world = this.#world;
    const nowMs = world.clock.elapsedMs;
    for (const key of this.#sinceMs.keys()) {
      if (key.startsWith(`${host.name} `) && !present.has(key)) this.#sinceMs.delete(key);
    }
    for (const key of present) {
      const sinceMs = this.#sinceMs.get(key) ?? nowMs;
      this.#sinceMs.set(key, sinceMs);
      if (nowMs - sinceMs > LEFTOVER_MS) world.violate('residue', `for ${LEFTOVER_MS / 1_000} s of calm: ${key}`);
    }
  }
}

function remember(times: Map<Host, number[]>, host: Host, atMs: number): void {
  const known = times.get(host);
  if (known === undefined) times.set(host, [atMs]);
  else known.push(atMs);
}

/** How many of a host's times are not before `oldestMs`. */
function lately(times: ReadonlyMap<Host, readonly number[]>, host: Host, oldestMs: number): number {
  return (times.get(host) ?? []).filter((atMs) => atMs >= oldestMs).length;
}

const NEVER = Number.NEGATIVE_INFINITY;
/** Two that crossed, a replacement on each side, one that is being deleted and one that a restarted peer began. */
const MOST_IKE_SAS = 8;
/** Both directions of the Child SAs of as many IKE SAs, two Children each. */
const MOST_SAS = 40;
const MOST_QUEUED = 16;
/** As many as one source may have without a cookie, and some attempts of the true peer with one. */
const MOST_HALF_OPEN = 8 + 8;
/** Longer than anything may stay once all pairs are settled: a half-open IKE SA that nobody comes back for lives 30 s. */
const LEFTOVER_MS = 40_000;
/** How long the endpoint repeats a Delete, and keeps what it has said last, and a moment. */
const CLOSED_MS = 12_000;
/** How long a responder waits for a proof, and a moment. */
const HALF_OPEN_MS = 31_000;
/** RFC 7296 §3.1. */
const EXCHANGE_OFFSET = 18;
const FLAGS_OFFSET = 19;
const RESPONSE_FLAG = 0x20;
