import type { EspPacket, PlainPacket } from '../dataplane/memory/packet.ts';
import type { Path } from '../ike/types.ts';
import { ipFamily } from '../wire/ip-address.ts';
import type { RandomStream } from './random-stream.ts';
import type { NetworkPlan } from './scenario.ts';
import type { Flow } from './topology.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What the network carries. Paths are the sender's. */
export type Cargo =
  | { readonly kind: 'datagram'; readonly path: Path; readonly bytes: Uint8Array }
  | { readonly kind: 'packet'; readonly packet: EspPacket | PlainPacket; readonly flow: Flow };

/** How a cargo comes to be at its receiver. */
export type Arrival =
  /** As it was sent; the first copy that comes. */
  | 'first'
  /** As it was sent, once more. */
  | 'copy'
  /** Changed on the way. */
  | 'corrupted'
  /** Recorded and sent again by somebody else, long after. */
  | 'replayed'
  /** Made up by somebody else. */
  | 'forged';

/** Something on the way between two nodes. */
export interface Shipment {
  readonly from: number;
  readonly to: number;
  readonly cargo: Cargo;
}

/** What becomes of what the network carries. */
export interface NetworkObserver {
  /** True if the receiver was able to read it: else it is as new as before to whoever comes next with it. */
  arrived(shipment: Shipment, arrival: Arrival): boolean;
  lost(shipment: Shipment): void;
  /** It was ESP, which does not pass there. */
  filtered(shipment: Shipment): void;
}

/**
 * A network that delays, and so reorders, loses, duplicates and corrupts, falls apart, and remembers everything that it
 * ever carried for whoever wants to send it again.
 */
export class Network {
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #plan: NetworkPlan;
  readonly #observer: NetworkObserver;
  readonly #recorded: Shipment[] = [];
  /** The last ones that came as they were sent, and were read. */
  readonly #arrived: Shipment[] = [];
  #seen = 0;
  #calm = false;
  #apart: ReadonlySet<number> = new Set();
  /** Where ESP is dropped, each as often as somebody wants it so. */
  readonly #filters = new Set<{ readonly from: number; readonly to: number }>();

  constructor(clock: VirtualClock, random: RandomStream, plan: NetworkPlan, observer: NetworkObserver) {
    this.#clock = clock;
    this.#random = random;
    this.#plan = plan;
    this.#observer = observer;
  }

  /** Carries something that a node sent, or does not. */
  send(shipment: Shipment): void {
    this.#record(shipment);
    const random = this.#random;
    const { loss, duplicate, corrupt } = this.#plan;
    const lost = random.chance(loss);
    const corrupted = random.chance(corrupt);
    const copies = random.chance(duplicate) ? random.between(1, 2) : 0;
    const apart = this.#isApart(shipment);
    if (!apart && this.#isFiltered(shipment)) {
      this.#observer.filtered(shipment);
      return;
    }
    if (apart || this.#isTooLarge(shipment) || (lost && !this.#calm)) {
      this.#observer.lost(shipment);
      return;
    }
    const { cargo } = shipment;
    if (corrupted && !this.#calm && cargo.kind === 'datagram') {
      const changed = { ...shipment, cargo: { ...cargo, bytes: corruptedBytes(random, cargo.bytes) } };
      this.#deliver(changed, () => 'corrupted');
      return;
    }
    let arrivedBefore = false;
    const arrival = (): Arrival => {
      if (arrivedBefore) return 'copy';
      arrivedBefore = true;
      return 'first';
    };
    for (let copy = 0; copy <= (this.#calm ? 0 : copies); copy += 1) this.#deliver(shipment, arrival);
  }

  /** Sends something that was recorded at any time before. */
  replay(): void {
    const shipment = this.#random.pick(this.#recorded);
    if (shipment !== undefined && !this.#isBarred(shipment)) this.#deliver(shipment, () => 'replayed');
  }

  /**
   * Sends something again that has arrived before, as `make` changes it. What nobody has read does not count, be it that it
   * came before its SA or before the answer by which its sender is believed: whoever keeps a message back and sends it from
   * elsewhere is followed until the peer speaks (RFC 7296 §2.23).
   */
  replayArrived(make: (random: RandomStream, recorded: Shipment) => Shipment | undefined): void {
    const recorded = this.#random.pick(this.#arrived);
    const shipment = recorded && make(this.#random, recorded);
    if (shipment !== undefined && !this.#isBarred(shipment)) this.#deliver(shipment, () => 'replayed');
  }

  /** Sends something that `make` makes of what was recorded, or of what of it is `alike`. */
  forge(make: (random: RandomStream, recorded: Shipment) => Shipment, alike?: (recorded: Shipment) => boolean): void {
    const recorded = this.#random.pick(alike === undefined ? this.#recorded : this.#recorded.filter(alike));
    // A packet that was not encrypted tells nothing about IKE.
    if (recorded === undefined || (recorded.cargo.kind === 'packet' && recorded.cargo.packet.kind === 'plain')) return;
    const shipment = make(this.#random, recorded);
    // What has come out as it was has only been recorded.
    const arrival = isSame(shipment, recorded) ? 'replayed' : 'forged';
    if (!this.#isApart(shipment)) this.#deliver(shipment, () => arrival);
  }

  /** Cuts these nodes off from the others. */
  partition(nodes: readonly number[]): void {
    this.#apart = new Set(nodes);
  }

  /** Puts together what was apart. */
  heal(): void {
    this.#apart = new Set();
  }

  /** Drops ESP from one node to another, until what it returns is called. */
  dropEsp(from: number, to: number): () => void {
    const filter = { from, to };
    this.#filters.add(filter);
    return () => void this.#filters.delete(filter);
  }

  /** Whether ESP is dropped from one node to another. */
  dropsEsp(from: number, to: number): boolean {
    for (const filter of this.#filters) if (filter.from === from && filter.to === to) return true;
    return false;
  }

  /** Ends all faults but those of the way itself: delays, and what it does not let pass. */
  calm(): void {
    this.heal();
    this.#calm = true;
  }

  #deliver(shipment: Shipment, arrival: () => Arrival): void {
    const delayMs = this.#random.between(this.#plan.minDelayMs, this.#plan.maxDelayMs);
    this.#clock.after(delayMs, () => {
      const how = arrival();
      const read = this.#observer.arrived(shipment, how);
      if (how === 'first' && read) this.#noteArrived(shipment);
    });
  }

  #noteArrived(shipment: Shipment): void {
    this.#arrived.push(shipment);
    if (this.#arrived.length > MAX_RECORDED) this.#arrived.shift();
  }

  /** Only IKE has to see to it itself: the kernel tells whoever sends data. */
  #isTooLarge({ cargo }: Shipment): boolean {
    if (cargo.kind !== 'datagram') return false;
    const { ipv4, ipv6 } = this.#plan.pathMtu;
    const ike = cargo.bytes.length + (cargo.path.localPort === NAT_TRAVERSAL_PORT ? NON_ESP_MARKER_BYTES : 0);
    return ipFamily(cargo.path.remoteAddress) === 6 ? ike + IPV6_UDP_BYTES > ipv6 : ike + IPV4_UDP_BYTES > ipv4;
  }

  /** In UDP nothing tells it from IKE. */
  #isFiltered({ from, to, cargo }: Shipment): boolean {
    if (cargo.kind !== 'packet' || cargo.packet.kind !== 'esp' || cargo.packet.udp !== undefined) return false;
    return this.dropsEsp(from, to);
  }

  #isBarred(shipment: Shipment): boolean {
    return this.#isApart(shipment) || this.#isFiltered(shipment);
  }

  #isApart({ from, to }: Shipment): boolean {
    return this.#apart.has(from) !== this.#apart.has(to);
  }

  /** A fair sample of everything, of bounded size (reservoir sampling). */
  #record(shipment: Shipment): void {
    this.#seen += 1;
    if (this.#recorded.length < MAX_RECORDED) {
      this.#recorded.push(shipment);
      return;
    }
    const place = this.#random.below(this.#seen);
    if (place < MAX_RECORDED) this.#recorded[place] = shipment;
  }
}

function isSame({ cargo: left }: Shipment, { cargo: right }: Shipment): boolean {
  if (left.kind !== 'datagram' || right.kind !== 'datagram') return false;
  return left.bytes.length === right.bytes.length && left.bytes.every((byte, index) => byte === right.bytes[index]);
}

/** A datagram with bits flipped, its end cut off, or something behind its end. */
export function corruptedBytes(random: RandomStream, bytes: Uint8Array): Uint8Array {
  switch (random.below(3)) {
    case 0: {
      const changed = bytes.slice();
      for (let flips = random.between(1, 4); flips > 0; flips -= 1) {
        const index = random.below(changed.length);
        changed[index] = (changed[index] ?? 0) ^ (1 << random.below(8));
      }
      return changed;
    }
    case 1:
      return bytes.slice(0, random.below(bytes.length));
    default: {
      const longer = new Uint8Array(bytes.length + random.between(1, 64));
      random.fill(longer);
      longer.set(bytes);
      return longer;
    }
  }
}

const MAX_RECORDED = 400;
const NAT_TRAVERSAL_PORT = 4500;
const NON_ESP_MARKER_BYTES = 4;
const IPV4_UDP_BYTES = 20 + 8;
const IPV6_UDP_BYTES = 40 + 8;
