import type { Lab } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Link } from '../topology/link.ts';
import { addresses, type Sides } from './link-settings.ts';

/** The machines of an interop scenario. */
export interface Machines {
  readonly gateways: Sides<LabNode>;
  /** Where payload comes from and goes to: behind the gateways, or they themselves. */
  readonly hosts: Sides<LabNode>;
  /** Between the gateways; everything on it must be encrypted. */
  readonly wire: Link;
}

/** Two machines on a wire. */
export async function twoMachines(lab: Lab): Promise<Machines> {
  const { nodes, links } = await lab.topology({
    nodes: { ours: {}, theirs: {} },
    links: { wire },
  });
  return { gateways: nodes, hosts: nodes, wire: links.wire };
}

/** Two gateways on a wire, and a host in a network of its own behind each. */
export async function twoNetworks(lab: Lab): Promise<Machines> {
  const { nodes, links } = await lab.topology({
    nodes: {
      ours: { forwarding: true, routes: routes('theirs', 'wire') },
      theirs: { forwarding: true, routes: routes('ours', 'wire') },
      'our-host': { routes: routes('theirs', 'gateway', 'ours') },
      'their-host': { routes: routes('ours', 'gateway', 'theirs') },
    },
    links: {
      wire,
      'our-lan': { ends: lanEnds('ours', 'our-host') },
      'their-lan': { ends: lanEnds('theirs', 'their-host') },
    },
  });
  return { gateways: nodes, hosts: { ours: nodes['our-host'], theirs: nodes['their-host'] }, wire: links.wire };
}

/** Routes to the networks of one side: over the wire by that side's gateway, or by one's own gateway. */
function routes(to: keyof Sides<string>, by: 'wire' | 'gateway', gateway = to): readonly string[] {
  return families.map(({ network, ...places }) => `${network[to]} via ${places[by][gateway]}`);
}

function lanEnds(gateway: keyof Sides<string>, host: string) {
  const withLength = (place: 'gateway' | 'host') => [
    `${addresses[4][place][gateway]}/24`,
    `${addresses[6][place][gateway]}/64`,
  ];
  return [
    { node: gateway, interface: 'eth1', addresses: withLength('gateway') },
    { node: host, interface: 'eth0', addresses: withLength('host') },
  ];
}

const families = [addresses[4], addresses[6]] as const;

const wire = {
  ends: (['ours', 'theirs'] as const).map((node) => ({
    node,
    interface: 'eth0',
    addresses: [`${addresses[4].wire[node]}/24`, `${addresses[6].wire[node]}/64`],
  })),
};
