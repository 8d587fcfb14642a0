import type { ConnectionConfig } from '../ike/types.ts';
import type { CheckList } from './checks/check-list.ts';
import type { Host } from './host.ts';
import { kernelChanged } from './kernel-changes.ts';
import type { SimulatedWorld } from './simulated-world.ts';
import { connectionConfig, nodeName, otherSide, type Side } from './topology.ts';

/** A change of a node's configuration, about one connection. */
export type Reconfiguration = 'add' | 'remove' | 'removeForEver' | 'update';

/** What each node's agent is configured for, and the ways in which that changes. */
export class Connections {
  readonly #world: SimulatedWorld;
  readonly #checks: CheckList;
  /** By pair and side: whether it is configured or never will be again, and how often that has changed. */
  readonly #configured: { present: boolean; gone: boolean; changes: number }[][];

  constructor(world: SimulatedWorld, checks: CheckList) {
    this.#world = world;
    this.#checks = checks;
    this.#configured = world.scenario.pairs.map(() => [
      { present: true, gone: false, changes: 0 },
      { present: true, gone: false, changes: 0 },
    ]);
  }

  /** Starts a node's agent, with all connections that it is to have; does nothing where one runs. */
  start(node: number): void {
    const world = this.#world;
    const host = world.hostOf(node);
    if (host.running) return;
    world.note(node, 'the agent starts');
    host.powered = true;
    world.rotation?.agentStarted(node);
    const connections: ConnectionConfig[] = [];
    const present: (readonly [number, Side])[] = [];
    world.forEachConnection(node, (pair, side) => {
      const configured = this.#configured[pair]?.[side];
      if (configured?.present !== true) return;
      connections.push(this.#connection(pair, side, configured.changes));
      present.push([pair, side]);
    });
    host.start(connections);
    for (const [pair, side] of present) world.setWanted(pair, side, true);
    kernelChanged(world, this.#checks, host);
  }

  /** Puts a connection in, takes it out, or changes its timing, in a node's configuration and its running agent. */
  configure(pair: number, side: Side, how: Reconfiguration): void {
    const world = this.#world;
    const { nodes } = world.pairOf(pair);
    const configured = this.#configured[pair]?.[side];
    const host = world.hostOf(nodes[side]);
    const name = nodeName(nodes[otherSide(side)]);
    if (configured === undefined || configured.gone) return;
    configured.gone = how === 'removeForEver';
    if (configured.present === (how === 'add')) return;
    world.note(host.node, `configuration: ${how} ${name}`);
    configured.present = how === 'add' || how === 'update';
    if (how === 'update') configured.changes += 1;
    world.setListed(pair, side, configured.present);
    const others = this.#checks.departures.othersOf(host, pair);
    if (configured.present) this.#put(pair, side, host, how, configured.changes);
    else this.#takeOut(pair, side, host, name);
    this.#checks.departures.othersStay(host, pair, others);
  }

  #put(pair: number, side: Side, host: Host, how: Reconfiguration, changes: number): void {
    const world = this.#world;
    const connection = this.#connection(pair, side, changes);
    const peer = world.pairOf(pair).nodes[otherSide(side)];
    if (how === 'add') world.ledger.notePutIn(host.node, peer, world.clock.monotonicMs());
    host.command({ kind: how === 'add' ? 'addConnection' : 'updateConnection', connection });
    if (host.running) world.setWanted(pair, side, true);
    kernelChanged(world, this.#checks, host);
  }

  #takeOut(pair: number, side: Side, host: Host, name: string): void {
    const world = this.#world;
    const nowMs = world.clock.monotonicMs();
    world.ledger.noteCause(pair, 'order', nowMs);
    world.ledger.noteTakenOut(host.node, world.pairOf(pair).nodes[otherSide(side)], nowMs);
    world.setWanted(pair, side, false);
    host.command({ kind: 'removeConnection', name });
  }

  /** Gives a running agent its connections with other certificates, as `runtime/reloads.ts` does. */
  proveAnew(node: number): void {
    const world = this.#world;
    const host = world.hostOf(node);
    if (!host.running) return;
    world.note(node, 'the agent uses other certificates');
    world.forEachConnection(node, (pair, side) => {
      const configured = this.#configured[pair]?.[side];
      if (configured?.present !== true) return;
      host.command({ kind: 'updateConnection', connection: this.#connection(pair, side, configured.changes) });
    });
  }

  #connection(pair: number, side: Side, changes: number): ConnectionConfig {
    const plan = this.#world.pairOf(pair);
    return connectionConfig(plan, pair, side, stretch(changes), this.#world.rotation?.proofsOf(plan.nodes[side]));
  }
}

/** Each change of the configuration changes its lifetimes a little. */
function stretch(changes: number): number {
  return 1 + changes / 8;
}
