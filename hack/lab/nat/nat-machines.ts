import type { Lab } from '../runner/scenario.ts';
import type { LinkDescription, NodeDescription } from '../topology/description.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Link } from '../topology/link.ts';

/** Who speaks IKE: a client behind the NAT, another one beside it, or the server in front of it. */
export type NatSide = 'client' | 'second' | 'server';

/** Who stands where: a client's address does not exist outside, where packets have one of the router's. */
export const places = {
  client: '10.9.0.2',
  second: '10.9.0.3',
  router: '10.9.0.1',
  public: '192.0.2.1',
  /** The router's other address outside. */
  otherPublic: '192.0.2.7',
  /** Of the server, or of the NAT that it is behind. */
  server: '192.0.2.2',
  serverRouter: '10.8.0.1',
  /** Of a server behind a NAT. */
  hiddenServer: '10.8.0.2',
} as const;

/** Behind clients and server, on their loopback: what a tunnel is for. */
export const inner: Readonly<Record<NatSide, { readonly host: string; readonly network: string }>> = {
  client: { host: '198.51.100.10', network: '198.51.100.0/25' },
  second: { host: '198.51.100.130', network: '198.51.100.128/25' },
  server: { host: '203.0.113.10', network: '203.0.113.0/24' },
};

/** The interface outside of either router. */
export const outsideDevice = 'eth1';

/** Who is there beside a client and a server in the open. */
export interface NatPlan {
  readonly second?: unknown;
  readonly serverBehindNat?: boolean;
}

/** Clients, their router and a server; `second` only where it was planned. */
export interface NatMachines extends Readonly<Record<NatSide, LabNode>> {
  readonly router: LabNode;
  /** Between the router and what it sees of the server: everything here must be ESP in UDP, IKE or a keepalive. */
  readonly outside: Link;
}

/** The address that a side has itself. */
export function ownAddress(side: NatSide, { serverBehindNat }: NatPlan): string {
  return side === 'server' && serverBehindNat === true ? places.hiddenServer : places[side];
}

/** Who sends on the wire outside what comes from the server. */
export function outsideServer({ serverBehindNat }: NatPlan): 'server' | 'server-router' {
  return serverBehindNat === true ? 'server-router' : 'server';
}

/** Makes the machines; the clients' router does not translate yet. */
export async function natMachines(lab: Lab, plan: NatPlan = {}): Promise<NatMachines> {
  const hidden = plan.serverBehindNat === true;
  const clients = plan.second === undefined ? (['client'] as const) : (['client', 'second'] as const);
  const machines: Partial<Record<NatSide | 'router' | 'server-router', NodeDescription>> = {
    ...Object.fromEntries(clients.map((side) => [side, clientNode(side)])),
    router,
    server: serverNode(clients, hidden),
    ...(hidden ? { 'server-router': router } : {}),
  };
  const wires: Partial<Record<'inside' | 'outside' | 'server-inside', LinkDescription>> = {
    inside: {
      ends: [
        ...clients.map((node) => ({ node, interface: 'eth0', addresses: [`${places[node]}/24`] })),
        { node: 'router', interface: 'eth0', addresses: [`${places.router}/24`] },
      ],
    },
    outside: {
      ends: [
        { node: 'router', interface: outsideDevice, addresses: [`${places.public}/24`, `${places.otherPublic}/24`] },
        { node: outsideServer(plan), interface: hidden ? outsideDevice : 'eth0', addresses: [`${places.server}/24`] },
      ],
    },
    ...(hidden ? { 'server-inside': { ends: serverInside } } : {}),
  };
  const { nodes, links } = await lab.topology({
    nodes: machines as Required<typeof machines>,
    links: wires as Required<typeof wires>,
  });
  if (hidden) await passOnToServer(nodes['server-router']);
  return { ...nodes, outside: links.outside };
}

function serverNode(clients: readonly NatSide[], hidden: boolean): NodeDescription {
  const gateway = hidden ? places.serverRouter : places.public;
  const toClients = clients.map((side) => `${inner[side].network} via ${gateway} src ${inner.server.host}`);
  return {
    loopback: [`${inner.server.host}/32`],
    routes: [...toClients, ...(hidden ? [`default via ${gateway}`] : [])],
  };
}

function clientNode(side: 'client' | 'second'): NodeDescription {
  return {
    loopback: [`${inner[side].host}/32`],
    routes: [`default via ${places.router}`, `${inner.server.network} via ${places.router} src ${inner[side].host}`],
  };
}

/** Port forwarding for IKE and ESP in UDP, as somebody sets it up who runs a server at home. */
async function passOnToServer(serverRouter: LabNode): Promise<void> {
  const to = ['-j', 'DNAT', '--to-destination', places.hiddenServer];
  const match = ['-i', outsideDevice, '-p', 'udp', '-m', 'multiport', '--dports', '500,4500'];
  await serverRouter.succeed(['iptables-legacy', '-w', '-t', 'nat', '-A', 'PREROUTING', ...match, ...to]);
}

const serverInside = [
  { node: 'server-router', interface: 'eth0', addresses: [`${places.serverRouter}/24`] },
  { node: 'server', interface: 'eth0', addresses: [`${places.hiddenServer}/24`] },
];
const router = { forwarding: true, sysctls: ['net.ipv4.conf.all.send_redirects=0'] };
