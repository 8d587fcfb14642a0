import { policyKeyText } from '../../dataplane/texts.ts';
import type { PolicySpec, SaId } from '../../dataplane/types.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import type { EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import { saText } from '../selection.ts';
import { nodeName, otherSide, type Side } from '../topology.ts';
import type { Check, World } from '../world.ts';

/** What a host has of all peers but one, each in words. */
type Possessions = ReadonlySet<string>;

/**
 * Of a peer that has been taken out of a node's list nothing stays: its connection goes at once, and all policies that demand
 * anything; its SAs, and the policies by which what comes out of a tunnel is let in, when it has heard of that, or can have
 * believed in them for the last time. What the node has of other peers stays as it is.
 */
export class DepartureCheck implements Check {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** What a host has of other pairs, just before its list changes about this one. */
  othersOf(host: Host, pair: number): Possessions {
    const { policies, states } = host.kernel.kernel;
    const peer = this.#peerOf(host, pair);
    const isOther = (reqid: number | undefined): boolean => reqid !== undefined && !this.#hasReqid(pair, reqid);
    const connections = host.status()?.connections.filter(({ name }) => name !== peer) ?? [];
    const ikeSas = connections.flatMap(({ name, ikeSas: all }) =>
      all.map(({ number, state }) => `IKE SA ${number} with ${name}, ${state}`),
    );
    const sas = states.all().filter(({ reqid, larval }) => isOther(reqid) && !larval);
    const others = policies.all().filter(({ spec }) => isOther(spec.template?.reqid));
    return new Set([
      ...ikeSas,
      ...sas.map(({ id }) => `SA ${saText(id)}`),
      ...others.map(({ spec }) => `policy ${policyKeyText(spec)}, SPI ${spec.template?.spi.toString(16)}`),
    ]);
  }

  /** Just after that change: nothing may have come of it for them. */
  othersStay(host: Host, pair: number, before: Possessions): void {
    const after = this.othersOf(host, pair);
    const changed = [...before].find((each) => !after.has(each)) ?? [...after].find((each) => !before.has(each));
    if (changed === undefined) return;
    const text = `a change of ${host.name}'s list about ${this.#peerOf(host, pair)} changes ${changed}`;
    this.#world.violate('departure', text);
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    const { pairs } = this.#world.scenario;
    for (const pair of pairs.keys()) {
      for (const side of [0, 1] as const) {
        if (!this.#world.isListed(pair, side)) this.#judge(pair, side, statuses);
      }
    }
  }

  #judge(pair: number, side: Side, statuses: readonly (EndpointStatus | undefined)[]): void {
    const world = this.#world;
    const { nodes, liveness } = world.pairOf(pair);
    const host = world.hostOf(nodes[side]);
    const status = statuses[host.node];
    // An agent that is not there cannot see to it.
    if (status === undefined) return;
    const peer = nodeName(nodes[otherSide(side)]);
    const goneAtMs = Math.max(world.ledger.takenOutAt(host.node, nodes[otherSide(side)]) ?? 0, host.startedAtMs);
    const forMs = world.clock.monotonicMs() - goneAtMs;
    const retryMs = world.scenario.kernelRefusals > 0 ? KERNEL_RETRY_MS : 0;
    const violate = (what: string): void => {
      world.violate('departure', `${forMs / 1_000} s after ${host.name}'s list has lost ${peer}, it has ${what}`);
    };
    if (status.connections.some(({ name }) => name === peer)) violate('a connection with it');
    const { policies, states } = host.kernel.kernel;
    const left = policies.all().filter(({ spec }) => this.#hasReqid(pair, spec.template?.reqid));
    const policy = left.find(({ spec }) => !letsIn(spec));
    const refusedForMs = world.clock.monotonicMs() - this.#refusedAtMs(host, pair);
    if (policy !== undefined && Math.min(forMs, refusedForMs) > retryMs)
      violate(`policy ${policyKeyText(policy.spec)}`);
    if (forMs <= liveness.timeoutMs + FAREWELL_MS + retryMs) return;
    if (left[0] !== undefined) violate(`policy ${policyKeyText(left[0].spec)}`);
    // One that the kernel refuses to delete is judged when the faults are over.
    const refusals = world.ledger.refusalsOf(host.node);
    const isRefused = (id: SaId): boolean => refusals.concernsSa('deleteSa', id, world.clock.monotonicMs());
    const kept = states.all().filter(({ reqid, larval }) => !larval && this.#hasReqid(pair, reqid));
    const sa = kept.find(({ id }) => !isRefused(id));
    if (sa !== undefined) violate(`SA ${saText(sa.id)} in the kernel`);
  }

  /** When a host's kernel last refused to change a policy of a pair, and has not been brought to it; else long ago. */
  #refusedAtMs(host: Host, pair: number): number {
    const refusals = this.#world.ledger.refusalsOf(host.node);
    const nowMs = this.#world.clock.monotonicMs();
    const times = this.#world
      .flowsOf(pair)
      .flatMap(({ compiled, compiledReceived }) => [
        refusals.ofPolicy('out', compiled, nowMs)?.atMs ?? NEVER,
        refusals.ofPolicy('in', compiledReceived, nowMs)?.atMs ?? NEVER,
        refusals.ofPolicy('fwd', compiledReceived, nowMs)?.atMs ?? NEVER,
      ]);
    return Math.max(...times);
  }

  #hasReqid(pair: number, reqid: number | undefined): boolean {
    return this.#world.flowsOf(pair).some((flow) => flow.reqid === reqid);
  }

  #peerOf({ node }: Host, pair: number): string {
    const { nodes } = this.#world.pairOf(pair);
    return nodeName(nodes[0] === node ? nodes[1] : nodes[0]);
  }
}

/** Whether a policy lets in what comes out of a tunnel, and all else. */
function letsIn({ direction, template }: PolicySpec): boolean {
  return direction !== 'out' && template?.mode === 'tunnel' && template.level === 'optional';
}

const NEVER = Number.NEGATIVE_INFINITY;
/**
 * A request that is open when the peer goes is waited for as long as one that asks whether it is alive, and then the Delete,
 * four times its own time where the peer goes on talking; what the peer has not heard of it may believe in until it has
 * asked in vain itself. Then a grace, a moment for packets that the kernel has, and a second of the checks.
 */
const FAREWELL_MS =
  4 * DEFAULT_LIMITS.deleteTimeoutMs + DEFAULT_LIMITS.supersededGraceMs + DEFAULT_LIMITS.unselectedGraceMs + 1_000;
/** Longest time until an agent gives an order again that its kernel has refused, and a moment. */
const KERNEL_RETRY_MS = DEFAULT_LIMITS.kernelRetryCeilingMs + 1_000;
