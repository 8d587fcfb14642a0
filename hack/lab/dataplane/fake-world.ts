import type { OutboundFate, Packet, PlainPacket } from '../../../agent/dataplane/memory/packet.ts';
import { MemoryDataplane } from '../../../agent/dataplane/memory.ts';
import type { DataplaneCommand, DataplaneEvent, KernelSnapshot } from '../../../agent/dataplane/types.ts';
import type { Clock } from '../../../agent/ports.ts';
import { addressesOf, type IpsecNode, ipsecNodes, type NodeName, type Outcome, ownerOf, type World } from './world.ts';

/** The world as the fake kernel has it. The clock is the real one, so that ages agree with those in the real kernel. */
export class FakeWorld implements World {
  readonly #dataplanes: Readonly<Record<IpsecNode, MemoryDataplane>>;
  /** The way of the last packet, for people. */
  trace: string[] = [];
  /** Packets that arrived and had come through an SA. */
  encrypted = 0;
  #copies = 1;
  readonly #events: Readonly<Record<IpsecNode, DataplaneEvent[]>> = { east: [], west: [] };

  constructor(clock: Clock) {
    const make = (node: IpsecNode) =>
      new MemoryDataplane({
        clock,
        isLocal: (address) => addressesOf[node].includes(address),
        forwards: node === 'west',
      });
    this.#dataplanes = { east: make('east'), west: make('west') };
    for (const node of ipsecNodes) this.#dataplanes[node].onEvent((event) => this.#events[node].push(event));
  }

  execute(node: IpsecNode, command: DataplaneCommand): string {
    const outcome = this.#dataplanes[node].execute(command);
    return outcome.ok ? 'ok' : outcome.error.errno;
  }

  /** Milliseconds of the clock at which a timer is due next. */
  nextDeadline(): number {
    return Math.min(...ipsecNodes.map((node) => this.#dataplanes[node].nextDeadline() ?? Number.POSITIVE_INFINITY));
  }

  async send(packet: PlainPacket): Promise<Outcome> {
    const before = this.#statistics();
    this.trace = [];
    const arrivals: string[] = [];
    const source = ownerOf(packet.source);
    if (source === 'inner') this.#arrive('west', packet, arrivals);
    else this.#leave(this.#dataplanes[source].outbound(packet), packet, arrivals);
    return { arrivals, statistics: difference(before, this.#statistics()) };
  }

  async setDuplicating(duplicating: boolean): Promise<void> {
    this.#copies = duplicating ? 2 : 1;
  }

  dump(node: IpsecNode): KernelSnapshot {
    const dump = this.#dataplanes[node].dump();
    if (!dump.ok) throw new Error(dump.error.message);
    return dump.value;
  }

  async events(node: IpsecNode): Promise<readonly DataplaneEvent[]> {
    this.#dataplanes[node].advance();
    return this.#events[node].splice(0);
  }

  #leave(fate: OutboundFate, packet: PlainPacket, arrivals: string[]): void {
    if (fate.kind === 'dropped') return;
    this.#travel(fate.kind === 'esp' ? fate.packet : packet, arrivals);
  }

  /** West is on the way to everybody; what is for it stays there. */
  #travel(packet: Packet, arrivals: string[]): void {
    const owner = ownerOf(packet.destination);
    const fromEast = addressesOf.east.includes(packet.source);
    const next = owner === 'inner' && fromEast ? 'west' : owner;
    const copies = fromEast && next === 'west' ? this.#copies : 1;
    for (let copy = 0; copy < copies; copy++) this.#arrive(next, packet, arrivals);
  }

  #arrive(node: NodeName, packet: Packet, arrivals: string[]): void {
    this.trace.push(`${node} gets ${JSON.stringify(packet)}`);
    if (node === 'inner') {
      if (packet.kind === 'plain') arrivals.push(arrival(node, packet));
      return;
    }
    const fate = this.#dataplanes[node].inbound(packet);
    if (fate.kind === 'accepted') arrivals.push(arrival(node, fate.packet));
    if (packet.kind === 'esp' && fate.kind !== 'dropped') this.encrypted += 1;
    if (fate.kind !== 'forwarded') return;
    if (fate.onward.kind === 'plain') this.#arrive(ownerOf(fate.packet.destination), fate.packet, arrivals);
    if (fate.onward.kind === 'esp') this.#travel(fate.onward.packet, arrivals);
  }

  #statistics(): ReadonlyMap<string, number> {
    return new Map(
      ipsecNodes.flatMap((node) =>
        [...this.#dataplanes[node].statistics].map(([name, value]) => [`${node} ${name}`, value] as const),
      ),
    );
  }
}

/** How an arrival is written in an outcome. */
export function arrival(node: NodeName, packet: Pick<PlainPacket, 'destination' | 'destinationPort'>): string {
  return `${node} ${packet.destination} ${packet.destinationPort}`;
}

/** The counters that grew, with the amount, in alphabetical order. */
export function difference(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): readonly string[] {
  return [...after]
    .map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const)
    .filter(([, grown]) => grown !== 0)
    .map(([name, grown]) => `${name} ${grown}`)
    .sort();
}
