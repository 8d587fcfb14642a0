import { succeed } from './completed.ts';
import type { LinkDescription } from './description.ts';
import type { LabNode } from './lab-node.ts';

/** What a wire does to packets on their way to one node; absent properties do nothing. */
export interface Impairment {
  readonly lossPercent?: number;
  readonly delayMs?: number;
  /** Part of the delay that varies, which also reorders. */
  readonly jitterMs?: number;
  readonly duplicatePercent?: number;
}

/**
 * A wire between nodes: a bridge in a namespace of its own, joined to each node by a veth pair.
 * A capture on the bridge sees what crosses the wire and nothing else; on a node's own interface tcpdump would also show
 * packets after decapsulation, which is no leak.
 */
export class Link {
  readonly name: string;
  /** The namespace of the wire itself, with the interface `bridge` and one port per node, named after it. */
  readonly wire: LabNode;
  /** The node that sends from a MAC address. */
  readonly senders: ReadonlyMap<string, string>;

  private constructor(name: string, wire: LabNode, senders: ReadonlyMap<string, string>) {
    this.name = name;
    this.wire = wire;
    this.senders = senders;
  }

  /** Made by `createTopology`. */
  static async create(
    name: string,
    description: LinkDescription,
    wire: LabNode,
    nodes: ReadonlyMap<string, LabNode>,
  ): Promise<Link> {
    const mtu = description.mtu ?? 1500;
    await wire.ip(`link add bridge mtu ${mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`);
    await wire.ip('link set bridge up');
    const senders = new Map<string, string>();
    for (const end of description.ends) {
      const node = nodes.get(end.node);
      if (node === undefined) throw new Error(`the link ${name} names a node that does not exist: ${end.node}`);
      const port = portName(end.node);
      await wire.ip(
        `link add ${port} mtu ${mtu} type veth peer name ${end.interface} mtu ${mtu} netns ${node.namespace}`,
        `link set ${port} master bridge up`,
      );
      await node.ip(
        ...end.addresses.map((address) => addressLine(address, end.interface)),
        `link set ${end.interface} up`,
      );
      const shown = await succeed(['ip', '-n', node.namespace, '-json', 'link', 'show', 'dev', end.interface]);
      const [parsed] = JSON.parse(shown) as readonly { readonly address: string }[];
      if (parsed !== undefined) senders.set(parsed.address, end.node);
    }
    return new Link(name, wire, senders);
  }

  /** Makes the wire worse, or perfect again, for packets on their way to a node. */
  async impair(node: string, impairment: Impairment): Promise<void> {
    const { lossPercent = 0, delayMs = 0, jitterMs = 0, duplicatePercent = 0 } = impairment;
    const netem = [
      ...(lossPercent > 0 ? ['loss', `${lossPercent}%`] : []),
      ...(delayMs > 0 ? ['delay', `${delayMs}ms`, `${jitterMs}ms`] : []),
      ...(duplicatePercent > 0 ? ['duplicate', `${duplicatePercent}%`] : []),
    ];
    await this.wire.run(['tc', 'qdisc', 'del', 'dev', portName(node), 'root']);
    if (netem.length > 0) {
      await this.wire.succeed(['tc', 'qdisc', 'add', 'dev', portName(node), 'root', 'netem', ...netem]);
    }
  }

  /** Makes the wire worse, or perfect again, for the IKE packets to a node only: those to UDP 500 and 4500. */
  async impairIke(node: string, netem: readonly string[]): Promise<void> {
    const tc = (...words: readonly string[]) => this.wire.succeed(['tc', ...words]);
    const device = ['dev', portName(node)];
    await this.wire.run(['tc', 'qdisc', 'del', ...device, 'root']);
    if (netem.length === 0) return;
    // Everything takes the first band, save what a filter sends into the third.
    const priorities = Array.from({ length: 16 }, () => '0');
    await tc('qdisc', 'add', ...device, 'root', 'handle', '1:', 'prio', 'bands', '3', 'priomap', ...priorities);
    await tc('qdisc', 'add', ...device, 'parent', '1:3', 'netem', ...netem);
    for (const [index, [family, port]] of IKE_FLOWS.entries()) {
      const filter = ['parent', '1:', 'protocol', family, 'prio', `${index + 1}`, 'flower', 'ip_proto', 'udp'];
      await tc('filter', 'add', ...device, ...filter, 'dst_port', port, 'classid', '1:3');
    }
  }

  /** Cuts a node off the wire, or joins it again; the node's own interface stays up. */
  async setConnected(node: string, connected: boolean): Promise<void> {
    await this.wire.ip(`link set ${portName(node)} ${connected ? 'master bridge' : 'nomaster'}`);
  }
}

/** The line for `ip` that adds an address; duplicate address detection would delay an IPv6 one by a second. */
export function addressLine(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}

/** Interface names have at most 15 characters. */
function portName(node: string): string {
  return `to-${node}`.slice(0, 15);
}

const IKE_FLOWS = (['ip', 'ipv6'] as const).flatMap((family) => ['500', '4500'].map((port) => [family, port] as const));
