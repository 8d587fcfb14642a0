import type { EndpointStatus } from '../../ike/types.ts';
import type { Host } from '../host.ts';
import { flowText, selectionOf } from '../selection.ts';
import { type Flow, nodeName } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * IKE and ESP go to a peer and to nobody else, whoever sends its old messages and packets again from elsewhere; and when
 * its NAT changes the mapping they go where it leads, soon.
 */
export class PathCheck implements Check {
  readonly #world: World;
  /** Since when packets of a flow have gone to where the NAT lets nothing in. */
  readonly #astraySinceMs = new Map<Flow, number>();

  constructor(world: World) {
    this.#world = world;
  }

  kernelChanged(host: Host): void {
    for (const { direction, id, larval } of host.kernel.kernel.states.all()) {
      if (direction !== 'out' || larval || this.#world.hostAt(id.destination) !== undefined) continue;
      this.#world.violate('path', `${host.name} sends ESP to ${id.destination}, which is nobody's address`);
    }
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    for (const host of this.#world.hosts) this.#judgeIkeSas(host, statuses[host.node]);
    const { nat, flows } = this.#world;
    if (nat === undefined || !this.#isUndisturbed()) return;
    for (const flow of flows) if (flow.receiver === nat.node) this.#judgeFlow(flow);
  }

  #judgeIkeSas(host: Host, status: EndpointStatus | undefined): void {
    for (const { name, ikeSas } of status?.connections ?? []) {
      for (const { number, path, state } of ikeSas) {
        const peer = this.#world.hostAt(path.remoteAddress);
        if (state === 'connecting' || (peer !== undefined && nodeName(peer.node) === name)) continue;
        const text = `IKE SA ${number} of ${host.name} with ${name} goes to ${path.remoteAddress}`;
        this.#world.violate('path', text);
      }
    }
  }

  #judgeFlow(flow: Flow): void {
    const world = this.#world;
    const nowMs = world.clock.monotonicMs();
    const selection = selectionOf(world.hostOf(flow.sender), flow);
    if (selection.kind !== 'sa' || world.passesNat(flow, selection.state)) {
      this.#astraySinceMs.delete(flow);
      return;
    }
    const sinceMs = this.#astraySinceMs.get(flow) ?? nowMs;
    this.#astraySinceMs.set(flow, sinceMs);
    if (nowMs - sinceMs <= FOLLOWED_MS) return;
    world.violate('path', `for ${FOLLOWED_MS / 1_000} s ${flowText(flow)} goes to where the NAT lets nothing in`);
  }

  /** Whether nothing but the NAT could keep the peer's packets from showing where it is. */
  #isUndisturbed(): boolean {
    const { disturbances, network, kernelRefusals } = this.#world.scenario;
    const others = disturbances.some(({ kind }) => kind !== 'remap' && kind !== 'impersonate');
    return !others && network.loss === 0 && network.corrupt === 0 && kernelRefusals === 0;
  }
}

/** The peer's packets come every three seconds at the latest; its new address may take an exchange. */
const FOLLOWED_MS = 8_000;
