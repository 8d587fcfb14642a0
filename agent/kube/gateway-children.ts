import { hash } from 'node:crypto';

import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { hostNetwork, networkText, parseNetwork, parseProtocol } from '../runtime/config/scalars.ts';
import type { ChildFields, SelectorFields } from '../runtime/config/schema.ts';
import { type Cidr, type IpAddress, ipFamily } from '../wire/ip-address.ts';
import type { MeshEnd } from './mesh-children.ts';

type Gateway = NonNullable<NodePeering['remote']['gateway']>;
type GatewaySelector = Gateway['selectors'][number];

/**
 * The Child SAs with a gateway, one for each selector and each network that it stands for, called after what they are
 * about: a selector that stays keeps its SAs whatever is added before it.
 */
export function gatewayChildren(
  { selectors }: Gateway,
  { mode }: NodePeering['traffic'],
  own: MeshEnd,
  remoteAddress: IpAddress | undefined,
): readonly ChildFields[] {
  return selectors.flatMap((selector) => {
    const remote = network(selector.remote);
    const rest = trafficOf(selector);
    const isHost = remoteAddress !== undefined && networkText(remote) === networkText(hostNetwork(remoteAddress));
    const transport = mode === 'Transport' || (mode === 'Auto' && selector.local === 'NodeAddresses' && isHost);
    if (transport) return [named({ mode: 'Transport', selectors: [rest] }, selector, '')];
    return localNetworks(selector, own)
      .filter(({ address }) => ipFamily(address) === ipFamily(remote.address))
      .map((local) => named({ mode: 'Tunnel', selectors: [{ local, remote, ...rest }] }, selector, networkText(local)));
  });
}

function localNetworks({ local }: GatewaySelector, own: MeshEnd): readonly Cidr[] {
  if (local === 'NodeAddresses') return own.addresses.map(hostNetwork);
  return local === 'PodCIDRs' ? own.podCidrs : [network(local)];
}

function trafficOf({ protocol, ports }: GatewaySelector): SelectorFields {
  const number = protocol === undefined ? undefined : parseProtocol(protocol);
  return {
    ...(number?.ok === true ? { protocol: number.value } : {}),
    ...(ports === undefined ? {} : { ports: ports.map(({ from, to }) => ({ from, to: to ?? from })) }),
  };
}

function named(child: Omit<ChildFields, 'name'>, selector: GatewaySelector, local: string): ChildFields {
  return { ...child, name: `traffic-${hash('sha256', JSON.stringify([selector, local])).slice(0, NAME_DIGITS)}` };
}

/** The API has checked it. */
function network(text: string): Cidr {
  const parsed = parseNetwork(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const NAME_DIGITS = 8;
