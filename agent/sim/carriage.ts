import type { EspPacket, InboundFate } from '../dataplane/memory/packet.ts';
import type { Path } from '../ike/types.ts';
import { ExchangeType } from '../wire/registry.ts';
import type { CheckList } from './checks/check-list.ts';
import type { Host } from './host.ts';
import { type Arrival, type Cargo, Network, type NetworkObserver, type Shipment } from './network.ts';
import { RandomStream } from './random-stream.ts';
import type { SimulatedWorld } from './simulated-world.ts';
import { type Flow, nodeName } from './topology.ts';
import { reversedPath, udpPacketOf } from './traffic.ts';

/** Brings what hosts send to other hosts, by way of the NAT and the network, and tells the checks what came of it. */
export class Carriage implements NetworkObserver {
  readonly network: Network;
  readonly #world: SimulatedWorld;
  readonly #checks: CheckList;

  constructor(world: SimulatedWorld, checks: CheckList) {
    const { scenario, clock } = world;
    this.#world = world;
    this.#checks = checks;
    this.network = new Network(clock, new RandomStream(scenario.seed, 'network'), scenario.network, this);
  }

  /** Sends a datagram of a host's agent. */
  carry(host: Host, path: Path, bytes: Uint8Array): void {
    const { nat } = this.#world;
    const to = this.#world.hostAt(path.remoteAddress);
    // Nobody listens at the port of an initiator that does not exist.
    if (to === undefined || (to.node !== nat?.node && !IKE_PORTS.includes(path.remotePort))) return;
    this.#send(host, to.node, { kind: 'datagram', path, bytes: bytes.slice() });
  }

  /** Sends a packet of a flow, if its sender's kernel lets it out. */
  sendPacket(flow: Flow): void {
    const { counts } = this.#world;
    const host = this.#world.hostOf(flow.sender);
    if (!host.powered || (host.incarnation === 0 && !host.running)) return;
    counts.packets += 1;
    const fate = host.sendPacket(flow.packet);
    this.#checks.packetSent(flow, fate);
    if (fate.kind === 'dropped') return;
    const packet = fate.kind === 'esp' ? fate.packet : flow.packet;
    if (fate.kind === 'esp') {
      counts.espPackets += 1;
      this.#world.deliveries.noteSent(flow.receiver, fate.packet, this.#world.clock.monotonicMs());
    }
    this.#send(host, flow.receiver, { kind: 'packet', packet, flow });
  }

  arrived(shipment: Shipment, arrival: Arrival): boolean {
    const { nat } = this.#world;
    const host = this.#world.hostOf(shipment.to);
    const cargo = nat?.node === host.node ? nat.inward(shipment.cargo) : shipment.cargo;
    // Where the NAT lets nothing in it is lost as surely as where no ESP passes.
    if (cargo === undefined) this.filtered(shipment);
    if (cargo === undefined || !host.powered) return false;
    if (cargo.kind === 'datagram') return this.#datagramArrived(host, shipment.from, cargo, arrival);
    const { flow, packet } = cargo;
    const fate = host.receivePacket(packet);
    if (packet.kind === 'esp') this.#noteDelivery(flow, packet, arrival, fate);
    this.#checks.packetArrived(flow, arrival, packet, fate);
    return fate.kind !== 'dropped';
  }

  lost(shipment: Shipment): void {
    const { trace, clock } = this.#world;
    const { cargo, from, to } = shipment;
    if (cargo.kind !== 'datagram') return;
    trace.add(clock.elapsedMs, { kind: 'lost', node: nodeName(from), to: nodeName(to), bytes: cargo.bytes });
  }

  filtered(shipment: Shipment): void {
    const { cargo, to } = shipment;
    if (cargo.kind === 'packet' && cargo.packet.kind === 'esp') {
      this.#world.deliveries.noteFiltered(to, cargo.packet);
    }
    this.lost(shipment);
  }

  #noteDelivery({ receiver }: Flow, packet: EspPacket, arrival: Arrival, fate: InboundFate): void {
    const { deliveries, clock } = this.#world;
    if (arrival === 'replayed') deliveries.noteReplayed(receiver, packet);
    if (fate.kind !== 'dropped' || BY_POLICY.has(fate.statistic)) {
      deliveries.noteTaken(receiver, packet, clock.monotonicMs());
    }
  }

  #datagramArrived(
    host: Host,
    from: number,
    { path, bytes }: Extract<Cargo, { kind: 'datagram' }>,
    arrival: Arrival,
  ): boolean {
    const world = this.#world;
    const { clock, ledger } = world;
    world.trace.add(clock.elapsedMs, { kind: 'arrived', node: host.name, to: nodeName(from), bytes });
    const packet = reversedPath(path);
    const genuine = arrival === 'first' || arrival === 'copy' || arrival === 'replayed';
    if (!genuine && bytes[EXCHANGE_OFFSET] === ExchangeType.IKE_SA_INIT) {
      ledger.noteTampered(host.node, from, clock.monotonicMs());
    }
    if (host.running && host.kernel.inbound(udpPacketOf(path, bytes)).kind !== 'accepted') {
      world.violate('ikePasses', `${host.name}'s policies let no IKE in at port ${packet.localPort}`);
    }
    this.#checks.datagramArrived(host, bytes, arrival);
    world.lastDatagramRead = host.running;
    host.receiveDatagram(packet, bytes);
    return world.lastDatagramRead;
  }

  #send(from: Host, to: number, cargo: Cargo): void {
    const { nat } = this.#world;
    const outside = nat?.node === from.node ? nat.outward(cargo) : cargo;
    if (outside !== undefined) this.network.send({ from: from.node, to, cargo: outside });
  }
}

/** How a packet is dropped that its SA has taken. */
const BY_POLICY: ReadonlySet<string> = new Set(['XfrmInNoPols', 'XfrmInPolBlock', 'XfrmInTmplMismatch']);
/** RFC 7296 §3.1. */
const EXCHANGE_OFFSET = 18;
const IKE_PORTS: readonly number[] = [500, 4500];
