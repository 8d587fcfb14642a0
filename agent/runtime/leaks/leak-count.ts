import { liesWithin } from '../../dataplane/selector-match.ts';
import type { Selector } from '../../dataplane/types.ts';
import { type IpAddress, ipFamily, withoutZone } from '../../wire/ip-address.ts';
import type { PlannedConnection } from '../config/agent-config.ts';
import { exemptOf, outboundOf } from '../traffic-of.ts';
import type { OutgoingPacket } from './outgoing-packet.ts';

/** What left a node towards a peer. */
interface PeerCount {
  encrypted: number;
  exempt: number;
  plaintext: number;
  /** The first packets in plaintext, for people. */
  readonly samples: string[];
}

/** Decides of each packet that leaves whether it should have been encrypted, and whether it was. */
export class LeakCount {
  /** At which this node speaks IKE. */
  readonly #own: ReadonlySet<IpAddress>;
  readonly #peers: readonly {
    readonly connection: PlannedConnection;
    readonly outbound: readonly Selector[];
    readonly exempt: readonly Selector[];
    readonly count: PeerCount;
  }[];

  constructor(connections: readonly PlannedConnection[]) {
    this.#own = new Set(connections.map(({ localAddress }) => withoutZone(localAddress)));
    this.#peers = connections.map((connection) => ({
      connection,
      outbound: outboundOf(connection),
      exempt: exemptOf(connection),
      count: { encrypted: 0, exempt: 0, plaintext: 0, samples: [] },
    }));
  }

  /** Takes one packet in. */
  add(packet: OutgoingPacket): void {
    if (isNeighbourDiscovery(packet)) return;
    // What pods send as IKE or ESP is traffic like any other.
    const isOwn = this.#own.has(packet.source);
    if (isOwn && isKeyExchange(packet)) return;
    if (isOwn && isEsp(packet)) {
      this.#peerAt(packet.source, packet.destination).encrypted += 1;
      return;
    }
    const selector = selectorOf(packet);
    const within = (wide: Selector): boolean => liesWithin(selector, wide);
    const peer = this.#peers.find(({ outbound }) => outbound.some(within));
    if (peer === undefined) return;
    const { count } = peer;
    if (peer.exempt.some(within)) count.exempt += 1;
    else {
      count.plaintext += 1;
      if (count.samples.length < MAX_SAMPLES) count.samples.push(packetText(packet));
    }
  }

  /** Whether something left in plaintext that should not have. */
  get hasLeak(): boolean {
    return this.#peers.some(({ count }) => count.plaintext > 0);
  }

  /** Whether something was encrypted towards each peer that packets can be sent to without its pods. */
  get provesSomething(): boolean {
    return this.#peers.every(({ connection, count }) => count.encrypted > 0 || connection.remoteAddress === 'any');
  }

  /** A line for each peer, and one for each sample of what leaked. */
  lines(): readonly string[] {
    return this.#peers.flatMap(({ connection: { name }, count: { encrypted, exempt, plaintext, samples } }) => [
      `${name}: ${encrypted} packets encrypted, ${plaintext} in plaintext${exempt === 0 ? '' : `, ${exempt} that are exempt`}`,
      ...samples.map((text) => `  IN PLAINTEXT: ${text}`),
    ]);
  }

  #peerAt(source: IpAddress, destination: IpAddress): PeerCount {
    const peer = this.#peers.find(
      ({ connection: { localAddress, remoteAddress } }) =>
        withoutZone(localAddress) === source && (remoteAddress === 'any' || withoutZone(remoteAddress) === destination),
    );
    return peer?.count ?? { encrypted: 0, exempt: 0, plaintext: 0, samples: [] };
  }
}

function isEsp({ protocol, ports, hasSpi }: OutgoingPacket): boolean {
  return protocol === ESP || (protocol === UDP && ports?.source === NAT_TRAVERSAL_PORT && hasSpi);
}

/** IKE and keepalives. */
function isKeyExchange({ protocol, ports, hasSpi }: OutgoingPacket): boolean {
  if (protocol !== UDP) return false;
  return ports?.source === IKE_PORT || (ports?.source === NAT_TRAVERSAL_PORT && !hasSpi);
}

function isNeighbourDiscovery({ protocol, ports }: OutgoingPacket): boolean {
  return protocol === ICMPV6 && ports !== undefined && ports.source >= 133 && ports.source <= 137;
}

function selectorOf({ source, destination, protocol, ports }: OutgoingPacket): Selector {
  const length = ipFamily(source) === 4 ? 32 : 128;
  const exactly = (value: number | undefined) =>
    value === undefined ? { value: 0, mask: 0 } : { value, mask: 0xffff };
  return {
    source: { address: source, length },
    destination: { address: destination, length },
    protocol,
    sourcePort: exactly(ports?.source),
    destinationPort: exactly(ports?.destination),
  };
}

function packetText({ source, destination, protocol, ports }: OutgoingPacket): string {
  const port = (value: number | undefined) => (value === undefined ? '' : ` port ${value}`);
  return `${source}${port(ports?.source)} to ${destination}${port(ports?.destination)}, protocol ${protocol}`;
}

const UDP = 17;
const ESP = 50;
const ICMPV6 = 58;
const IKE_PORT = 500;
const NAT_TRAVERSAL_PORT = 4_500;
const MAX_SAMPLES = 3;
