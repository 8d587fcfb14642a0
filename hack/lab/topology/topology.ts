import { allowLargeReceiveBuffers } from '../traffic/receive-buffers.ts';
import { succeed } from './completed.ts';
import type { Daemon } from './daemon.ts';
import type { LinkDescription, NodeDescription, TopologyDescription } from './description.ts';
import { LabNode } from './lab-node.ts';
import { addressLine, Link } from './link.ts';

/** A topology that exists. */
export interface Topology<Node extends string = string, Wire extends string = string> {
  readonly nodes: Readonly<Record<Node, LabNode>>;
  readonly links: Readonly<Record<Wire, Link>>;
  /** Removes every namespace, and with them the links. Daemons must have ended before. */
  remove(): Promise<void>;
}

/** Where a topology puts its logs and whom it tells of started daemons. */
export interface TopologySurroundings {
  readonly logFolder: string;
  readonly started: (daemon: Daemon) => void;
  /** Told before the first namespace is made how to remove what there is, also when the creation fails half-way. */
  readonly created?: (remove: () => Promise<void>) => void;
}

/** Creates the namespaces, wires, addresses and routes; every interface is up and every address usable afterwards. */
export async function createTopology<Node extends string, Wire extends string>(
  description: TopologyDescription<Node, Wire>,
  surroundings: TopologySurroundings,
): Promise<Topology<Node, Wire>> {
  const nodes = new Map<string, LabNode>();
  const namespaces: string[] = [];
  const remove = async () => {
    for (const namespace of namespaces.splice(0)) await succeed(['ip', 'netns', 'delete', namespace]);
  };
  surroundings.created?.(remove);
  await allowLargeReceiveBuffers();
  const addNode = async (name: string, namespace: string, settings: readonly string[]) => {
    await succeed(['ip', 'netns', 'add', namespace]);
    namespaces.push(namespace);
    const node = new LabNode(name, namespace, surroundings.logFolder, surroundings.started);
    await node.sysctl(...settings);
    await node.ip('link set lo up');
    return node;
  };
  const descriptions = Object.entries<NodeDescription>(description.nodes);
  for (const [name, node] of descriptions) {
    const forwarding = node.forwarding === true ? forwardingSettings : [];
    nodes.set(name, await addNode(name, name, [...quietSettings, ...forwarding, ...(node.sysctls ?? [])]));
  }
  const links: Record<string, Link> = {};
  for (const [name, link] of Object.entries<LinkDescription>(description.links)) {
    const wire = await addNode(`wire-${name}`, `wire-${name}`, wireSettings);
    links[name] = await Link.create(name, link, wire, nodes);
  }
  for (const [name, node] of descriptions) await addLoopbackAndRoutes(nodes.get(name), node);
  return {
    nodes: Object.fromEntries(nodes) as Record<Node, LabNode>,
    links: links as Record<Wire, Link>,
    remove,
  };
}

async function addLoopbackAndRoutes(node: LabNode | undefined, description: NodeDescription): Promise<void> {
  const addresses = (description.loopback ?? []).map((address) => addressLine(address, 'lo'));
  const routes = (description.routes ?? []).map((route) => `route add ${route}`);
  if (addresses.length + routes.length > 0) await node?.ip(...addresses, ...routes);
}

/** No duplicate address detection, no router discovery, no reverse path filter: only what a scenario asks for happens. */
const quietSettings = [
  'net.ipv6.conf.all.accept_dad=0',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv6.conf.all.accept_ra=0',
  'net.ipv6.conf.default.accept_ra=0',
  'net.ipv6.conf.default.router_solicitations=0',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv4.ping_group_range=0 2147483647',
] as const;

const forwardingSettings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'] as const;

/** A wire speaks no IP at all. */
const wireSettings = ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1'] as const;
