import type { Lab } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Link } from '../topology/link.ts';

/** Who stands where: the client's address does not exist outside, where packets have one of the router's. */
export const places = {
  client: '10.9.0.2',
  router: '10.9.0.1',
  public: '192.0.2.1',
  /** The router's other address outside. */
  otherPublic: '192.0.2.7',
  server: '192.0.2.2',
} as const;

/** Behind client and server, on their loopback: what a tunnel is for. */
export const inner = {
  client: { host: '198.51.100.10', network: '198.51.100.0/24' },
  server: { host: '203.0.113.10', network: '203.0.113.0/24' },
} as const;

/** The router's interface outside. */
export const outsideDevice = 'eth1';

/** A client, a router and a server. */
export interface NatMachines {
  readonly client: LabNode;
  readonly router: LabNode;
  readonly server: LabNode;
  /** Between router and server: everything on it must be ESP in UDP, IKE or a keepalive. */
  readonly outside: Link;
}

/** Makes the three machines; the router does not translate yet. */
export async function natMachines(lab: Lab): Promise<NatMachines> {
  const { nodes, links } = await lab.topology({
    nodes: {
      client: {
        loopback: [`${inner.client.host}/32`],
        routes: [
          `default via ${places.router}`,
          `${inner.server.network} via ${places.router} src ${inner.client.host}`,
        ],
      },
      router: { forwarding: true, sysctls: ['net.ipv4.conf.all.send_redirects=0'] },
      server: {
        loopback: [`${inner.server.host}/32`],
        routes: [`${inner.client.network} via ${places.public} src ${inner.server.host}`],
      },
    },
    links: {
      inside: {
        ends: [
          { node: 'client', interface: 'eth0', addresses: [`${places.client}/24`] },
          { node: 'router', interface: 'eth0', addresses: [`${places.router}/24`] },
        ],
      },
      outside: {
        ends: [
          { node: 'router', interface: outsideDevice, addresses: [`${places.public}/24`, `${places.otherPublic}/24`] },
          { node: 'server', interface: 'eth0', addresses: [`${places.server}/24`] },
        ],
      },
    },
  });
  return { ...nodes, outside: links.outside };
}
