import type { EspPacket, PlainPacket } from '../dataplane/memory/packet.ts';
import type { Path } from '../ike/types.ts';
import { type IpAddress, parseIpAddress } from '../wire/ip-address.ts';
import type { Cargo } from './network.ts';
import type { RandomStream } from './random-stream.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One node of a scenario stands behind a NAT. */
export interface NatPlan {
  readonly node: number;
  /** How long the NAT remembers a mapping that nothing is sent by. */
  readonly forgetsAfterMs: number;
}

/** The address that the NAT gives the node behind it at first; it has more. */
export const PUBLIC_ADDRESS = publicAddress(1);

/**
 * A NAT that makes a mapping for each pair of ends, gives each a port of its own, and lets in what answers it: the
 * strictest kind there is. What is not UDP it lets pass, with its own address where the node's own stands.
 */
export class Nat {
  readonly node: number;
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #plan: NatPlan;
  readonly #inside: IpAddress;
  readonly #byInside = new Map<string, Mapping>();
  readonly #byOutside = new Map<string, Mapping>();
  /** Every address that the node has or had outside, the newest last. */
  readonly #addresses: IpAddress[] = [PUBLIC_ADDRESS];

  constructor(clock: VirtualClock, random: RandomStream, plan: NatPlan, inside: IpAddress) {
    this.node = plan.node;
    this.#clock = clock;
    this.#random = random;
    this.#plan = plan;
    this.#inside = inside;
  }

  /** Every address that the node has or had outside. */
  get publicAddresses(): readonly IpAddress[] {
    return this.#addresses;
  }

  /** Forgets all mappings; the next ones are others, and of another address where `newAddress` says so. */
  remap(newAddress: boolean): void {
    if (newAddress) this.#addresses.push(publicAddress(this.#addresses.length + 1));
    this.#byInside.clear();
    this.#byOutside.clear();
  }

  /** What the node sends, as it is outside; undefined for what does not pass. */
  outward(cargo: Cargo): Cargo | undefined {
    if (cargo.kind === 'datagram') return { ...cargo, path: this.outwardPath(cargo.path) };
    const { packet } = cargo;
    if (packet.kind === 'plain') return { ...cargo, packet: this.#plainOutward(packet) };
    const { udp } = packet;
    if (udp === undefined) return undefined;
    const end = this.#map(udp.sourcePort, packet.destination, udp.destinationPort);
    const moved = { ...packet, source: end.address, udp: { ...udp, sourcePort: end.port } };
    return { ...cargo, packet: withInner(moved, this.#plainOutward) };
  }

  /** The path of something that the node sends, as it is outside. It keeps the mapping from being forgotten. */
  outwardPath(path: Path): Path {
    const { address, port } = this.#map(path.localPort, path.remoteAddress, path.remotePort);
    return { ...path, localAddress: address, localPort: port };
  }

  /** What comes for the node, as it gets it; undefined for what nobody asked for. */
  inward(cargo: Cargo): Cargo | undefined {
    if (cargo.kind === 'datagram') {
      const { path } = cargo;
      const port = this.#insidePort(path.remoteAddress, path.remotePort, path.localAddress, path.localPort);
      if (port === undefined) return undefined;
      return { ...cargo, path: { ...path, remoteAddress: this.#inside, remotePort: port } };
    }
    const { packet } = cargo;
    if (packet.kind === 'plain') return { ...cargo, packet: this.#plainInward(packet) };
    const { udp } = packet;
    if (udp === undefined) return undefined;
    const port = this.#insidePort(packet.destination, udp.destinationPort, packet.source, udp.sourcePort);
    if (port === undefined) return undefined;
    const moved = { ...packet, destination: this.#inside, udp: { ...udp, destinationPort: port } };
    return { ...cargo, packet: withInner(moved, this.#plainInward) };
  }

  /** Whether what is sent in UDP from there to there reaches the node. */
  leadsInside(address: string, port: number, remoteAddress: string, remotePort: number): boolean {
    return this.#insidePort(address, port, remoteAddress, remotePort) !== undefined;
  }

  /** The address that it gives the node now. */
  get #address(): IpAddress {
    return this.#addresses.at(-1) ?? PUBLIC_ADDRESS;
  }

  #map(insidePort: number, remoteAddress: string, remotePort: number): Mapping {
    const key = `${insidePort} ${remoteAddress} ${remotePort}`;
    const known = this.#byInside.get(key);
    const usedAtMs = this.#clock.monotonicMs();
    if (known !== undefined && !this.#isForgotten(known)) {
      known.usedAtMs = usedAtMs;
      return known;
    }
    const address = this.#address;
    const mapping: Mapping = {
      address,
      port: this.#freePort(address),
      insidePort,
      remoteAddress,
      remotePort,
      usedAtMs,
    };
    this.#byInside.set(key, mapping);
    this.#byOutside.set(`${address} ${mapping.port}`, mapping);
    return mapping;
  }

  #freePort(address: IpAddress): number {
    for (;;) {
      const port = this.#random.between(1_024, 65_535);
      if (!this.#byOutside.has(`${address} ${port}`)) return port;
    }
  }

  #insidePort(address: string, port: number, remoteAddress: string, remotePort: number): number | undefined {
    const mapping = this.#byOutside.get(`${address} ${port}`);
    if (mapping === undefined || this.#isForgotten(mapping)) return undefined;
    return mapping.remoteAddress === remoteAddress && mapping.remotePort === remotePort
      ? mapping.insidePort
      : undefined;
  }

  #isForgotten({ usedAtMs }: Mapping): boolean {
    return this.#clock.monotonicMs() - usedAtMs > this.#plan.forgetsAfterMs;
  }

  readonly #plainOutward = (packet: PlainPacket): PlainPacket => {
    return packet.source === this.#inside ? { ...packet, source: this.#address } : packet;
  };

  readonly #plainInward = (packet: PlainPacket): PlainPacket => {
    return this.publicAddresses.includes(packet.destination) ? { ...packet, destination: this.#inside } : packet;
  };
}

interface Mapping {
  readonly address: IpAddress;
  readonly port: number;
  readonly insidePort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  usedAtMs: number;
}

/** In transport mode the header that a NAT changes is that of the packet inside. */
function withInner(packet: EspPacket, change: (inner: PlainPacket) => PlainPacket): EspPacket {
  return packet.mode === 'transport' ? { ...packet, inner: change(packet.inner) } : packet;
}

function publicAddress(number: number): IpAddress {
  const address = parseIpAddress(`203.0.113.${number}`);
  if (address === undefined) throw new Error(`the NAT has no address ${number}`);
  return address;
}
