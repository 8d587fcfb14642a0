import { readFileSync } from 'node:fs';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import type { PlainPacket } from '../../../agent/dataplane/memory/packet.ts';
import type { DataplaneCommand, DataplaneEvent, KernelSnapshot } from '../../../agent/dataplane/types.ts';
import { openXfrmDataplane, type XfrmDataplane } from '../../../agent/dataplane/xfrm/driver.ts';
import {
  closeDescriptor,
  type FileDescriptor,
  inNetworkNamespace,
  receiveFrom,
  sendTo,
} from '../../../agent/native/libc.ts';
import { encodeSocketAddress } from '../../../agent/native/socket-address.ts';
import { openUdpSocket } from '../../../agent/native/udp-socket.ts';
import { type IpAddress, ipAddressBytes } from '../../../agent/wire/ip-address.ts';
import type { TopologyDescription } from '../topology/description.ts';
import type { Link } from '../topology/link.ts';
import type { Topology } from '../topology/topology.ts';
import { arrival, difference } from './fake-world.ts';
import {
  addressesOf,
  type IpsecNode,
  ipsecNodes,
  type NodeName,
  nodeNames,
  type Outcome,
  ports,
  type World,
} from './world.ts';

/** Nodes, addresses and routes of a real world; forwarding at west only. */
export const description: TopologyDescription<NodeName, 'outer' | 'behind'> = {
  nodes: {
    east: {
      loopback: ['10.1.0.1/32', 'fd01::1/128'],
      routes: [
        '10.1.5.2/32 via 10.0.0.2 src 10.0.0.1',
        '10.2.0.0/16 via 10.0.0.2 src 10.0.0.1',
        'fd01:5::2/128 via fd00::2 src fd00::1',
        'fd02::/64 via fd00::2 src fd00::1',
      ],
    },
    west: {
      forwarding: true,
      loopback: ['10.1.5.2/32', 'fd01:5::2/128'],
      routes: ['10.1.0.1/32 via 10.0.0.1', 'fd01::1/128 via fd00::1'],
      // No redirects, which policies would judge, too: in IPv6 only a router without a link-local address sends none.
      sysctls: [
        'net.ipv4.conf.all.send_redirects=0',
        'net.ipv4.conf.default.send_redirects=0',
        'net.ipv6.conf.default.addr_gen_mode=1',
      ],
    },
    inner: { routes: ['default via 10.2.0.1', 'default via fd02::1'] },
  },
  links: {
    outer: {
      ends: [
        { node: 'east', interface: 'eth0', addresses: ['10.0.0.1/24', 'fd00::1/64'] },
        { node: 'west', interface: 'eth0', addresses: ['10.0.0.2/24', 'fd00::2/64'] },
      ],
    },
    behind: {
      ends: [
        { node: 'west', interface: 'eth1', addresses: ['10.2.0.1/24', 'fd02::1/64'] },
        { node: 'inner', interface: 'eth0', addresses: ['10.2.0.9/24', 'fd02::9/64'] },
      ],
    },
  },
};

interface Listener {
  readonly node: NodeName;
  readonly address: IpAddress;
  readonly port: number;
  readonly fd: FileDescriptor;
}

/**
 * The world in the kernel: each node a network namespace, its SAs and policies by the driver, its packets from UDP
 * sockets. All of it in this one process, which enters a namespace only to open sockets in it.
 */
export class RealWorld implements World {
  readonly #dataplanes: Readonly<Record<IpsecNode, XfrmDataplane>>;
  readonly #events: Readonly<Record<IpsecNode, DataplaneEvent[]>> = { east: [], west: [] };
  readonly #listeners: readonly Listener[];
  readonly #wire: Link;

  private constructor(wire: Link) {
    this.#wire = wire;
    this.#dataplanes = { east: openDataplane('east'), west: openDataplane('west') };
    for (const node of ipsecNodes) this.#dataplanes[node].onEvent((event) => this.#events[node].push(event));
    this.#listeners = nodeNames.flatMap((node) => listenersOf(node));
  }

  /** In a topology made of `description`. */
  static async in(topology: Topology<NodeName, 'outer' | 'behind'>): Promise<RealWorld> {
    await fixNeighbours(topology);
    return new RealWorld(topology.links.outer);
  }

  execute(node: IpsecNode, command: DataplaneCommand): string {
    const outcome = this.#dataplanes[node].execute(command);
    return outcome.ok ? 'ok' : outcome.error.errno;
  }

  /**
   * Looks until what is seen is what is expected, or for some ticks in vain: a packet crosses the topology within the
   * call that sends it, or a little later. What comes too much is found with the next packet, as late.
   */
  async send(packet: PlainPacket, number: number, expected: Outcome): Promise<Outcome> {
    const sender = this.#listeners.find(
      (listener) => listener.address === packet.source && listener.port === packet.sourcePort,
    );
    if (sender === undefined) throw new Error(`no socket at ${packet.source} port ${packet.sourcePort}`);
    const before = statistics();
    const data = new Uint8Array(packet.payloadBytes - UDP_HEADER_BYTES);
    new DataView(data.buffer).setUint32(0, number);
    const destination = { address: ipAddressBytes(packet.destination), port: packet.destinationPort };
    // A refusal by a policy is an errno here; the counters tell which.
    sendTo(sender.fd, data, encodeSocketAddress(destination));
    const arrivals: string[] = [];
    for (let look = 0; ; look++) {
      arrivals.push(...this.#listeners.flatMap((listener) => received(listener, number)));
      const outcome = { arrivals, statistics: difference(before, statistics()) };
      if (look === LOOKS || isDeepStrictEqual(outcome, expected)) return outcome;
      await delay(1);
    }
  }

  async setDuplicating(duplicating: boolean): Promise<void> {
    await this.#wire.impair('west', { duplicatePercent: duplicating ? 100 : 0 });
  }

  dump(node: IpsecNode): KernelSnapshot {
    const dump = this.#dataplanes[node].dump();
    if (!dump.ok) throw new Error(dump.error.message);
    return dump.value;
  }

  /** Waits some ticks if there are fewer than expected. */
  async events(node: IpsecNode, expected: number): Promise<readonly DataplaneEvent[]> {
    await nextTurn();
    await nextTurn();
    for (let look = 0; look < LOOKS && this.#events[node].length < expected; look++) await delay(1);
    return this.#events[node].splice(0);
  }

  /** Lets go of the sockets; the topology belongs to whoever made it. */
  close(): void {
    for (const node of ipsecNodes) this.#dataplanes[node].close();
    for (const { fd } of this.#listeners) closeDescriptor(fd);
  }
}

function openDataplane(node: IpsecNode): XfrmDataplane {
  const opened = inNamespace(node, () => openXfrmDataplane());
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

function listenersOf(node: NodeName): readonly Listener[] {
  return inNamespace(node, () =>
    addressesOf[node].flatMap((address) =>
      [...ports, NAT_TRAVERSAL_PORT].map((port) => {
        const espInUdp = port === NAT_TRAVERSAL_PORT;
        const opened = openUdpSocket({ local: { address: ipAddressBytes(address), port }, espInUdp });
        if (!opened.ok) throw new Error(`${opened.error.call}: ${opened.error.message}`);
        return { node, address, port, fd: opened.value };
      }),
    ),
  );
}

function received(listener: Listener, number: number): readonly string[] {
  const found: string[] = [];
  for (;;) {
    const datagram = receiveFrom(listener.fd, receiveBuffer);
    if (!datagram.ok) throw new Error(datagram.error.message);
    if (datagram.value === undefined) return found;
    const late = new DataView(receiveBuffer.buffer).getUint32(0) === number ? '' : ' late';
    found.push(`${arrival(listener.node, { destination: listener.address, destinationPort: listener.port })}${late}`);
  }
}

function statistics(): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const node of ipsecNodes) {
    const text = inNamespace(node, () => readFileSync('/proc/thread-self/net/xfrm_stat', 'utf8'));
    for (const line of text.trim().split('\n')) {
      const [name = '', value = ''] = line.split(/\s+/);
      const key = `${node} ${SAME_FATE[name] ?? name}`;
      all.set(key, (all.get(key) ?? 0) + Number(value));
    }
  }
  return all;
}

function inNamespace<T>(node: NodeName, work: () => T): T {
  const outcome = inNetworkNamespace(`/run/netns/${node}`, work);
  if (!outcome.ok) throw new Error(`${outcome.error.call}: ${outcome.error.message}`);
  return outcome.value;
}

/** Policies between any addresses match neighbour discovery, too; what is compared here is not how that fails. */
async function fixNeighbours(topology: Topology): Promise<void> {
  const neighbours = [
    ['east', 'eth0', 'west', 'eth0', ['10.0.0.2', 'fd00::2']],
    ['west', 'eth0', 'east', 'eth0', ['10.0.0.1', 'fd00::1']],
    ['west', 'eth1', 'inner', 'eth0', ['10.2.0.9', 'fd02::9']],
    ['inner', 'eth0', 'west', 'eth1', ['10.2.0.1', 'fd02::1']],
  ] as const;
  for (const [node, device, peer, peerDevice, addresses] of neighbours) {
    const path = `/sys/class/net/${peerDevice}/address`;
    const shown = await topology.nodes[peer]?.succeed(['cat', path]);
    const lines = addresses.map(
      (address) => `neigh replace ${address} lladdr ${shown?.trim()} dev ${device} nud permanent`,
    );
    await topology.nodes[node]?.ip(...lines);
  }
}

/** A packet that meets an SA between its last packet and the timer that removes it, some microseconds later. */
const SAME_FATE: Readonly<Record<string, string>> = { XfrmInStateInvalid: 'XfrmInNoStates' };

const receiveBuffer = new Uint8Array(2048);
const NAT_TRAVERSAL_PORT = 4500;
const UDP_HEADER_BYTES = 8;
/** How often it is looked whether something has happened, a tick of the kernel apart. */
const LOOKS = 20;
