import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { hostNetwork } from '../runtime/config/scalars.ts';
import type { ChildFields } from '../runtime/config/schema.ts';
import { type Cidr, type IpAddress, ipFamily } from '../wire/ip-address.ts';

/** One end of a pair of nodes: its addresses in the mesh and the addresses of its pods. */
export interface MeshEnd {
  readonly addresses: readonly IpAddress[];
  readonly podCidrs: readonly Cidr[];
}

/**
 * The Child SAs between two nodes on their connection of one family. Packets of pods go by one connection where there are
 * two, the same for both ends. Names are by kind of traffic: two peerings that are about the same have the same.
 */
export function meshChildren(
  { scope, mode }: NodePeering['traffic'],
  own: MeshEnd,
  peer: MeshEnd,
  connection: { readonly localAddress: IpAddress; readonly remoteAddress: IpAddress; readonly isFirst: boolean },
): readonly ChildFields[] {
  const children: ChildFields[] = [];
  if (scope !== 'Pods') {
    const selectors = [{ local: hostNetwork(connection.localAddress), remote: hostNetwork(connection.remoteAddress) }];
    children.push(
      mode === 'Tunnel' ? { name: 'default', mode: 'Tunnel', selectors } : { name: 'default', mode: 'Transport' },
    );
  }
  if (scope === 'Nodes' || !connection.isFirst) return children;
  for (const family of [4, 6] as const) {
    const [ownPods, peerPods] = [own, peer].map(({ podCidrs }) =>
      podCidrs.filter(({ address }) => ipFamily(address) === family),
    );
    const [ownHosts, peerHosts] = [own, peer].map(({ addresses }) =>
      addresses.filter((each) => ipFamily(each) === family).map(hostNetwork),
    );
    children.push(...tunnel(`pods-ipv${family}`, ownPods, peerPods));
    if (scope !== 'NodesAndPods') continue;
    children.push(
      ...tunnel(`node-to-pods-ipv${family}`, ownHosts, peerPods),
      ...tunnel(`pods-to-node-ipv${family}`, ownPods, peerHosts),
    );
  }
  return children;
}

function tunnel(name: string, local: readonly Cidr[] = [], remote: readonly Cidr[] = []): readonly ChildFields[] {
  const selectors = local.flatMap((each) => remote.map((other) => ({ local: each, remote: other })));
  return selectors.length === 0 ? [] : [{ name, mode: 'Tunnel', selectors }];
}
