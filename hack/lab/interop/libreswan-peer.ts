import type { IpsecConfiguration, IpsecOptions } from '../libreswan/ipsec-conf.ts';
import type { Pluto } from '../libreswan/pluto.ts';
import { libreswanEsn, libreswanPfs, libreswanProposal } from '../libreswan/proposal.ts';
import type { Lab } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import {
  addresses,
  type ChildSettings,
  childrenOf,
  identities,
  type LinkSettings,
  proposals,
  secretOf,
  traffic,
} from './link-settings.ts';

/** Starts a pluto as the other end of a link; it does nothing by itself unless its settings say so. */
export function startPluto(lab: Lab, node: LabNode, settings: LinkSettings): Promise<Pluto> {
  return lab.pluto(node, ipsecConf(settings));
}

function ipsecConf(settings: LinkSettings): IpsecConfiguration {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  const { connection = {}, setup = {}, revives = false, credentials } = settings.libreswan ?? {};
  const { ike, esp } = proposals(settings, 'theirs');
  const common: IpsecOptions = {
    left: theirs,
    leftid: `@${identities.theirs}`,
    right: ours,
    rightid: `@${identities.ours}`,
    ikev2: 'insist',
    leftauth: 'secret',
    rightauth: 'secret',
    ike: libreswanProposal(ike),
    esp: libreswanProposal(esp),
    esn: libreswanEsn(esp),
    // By default each Child SA, save the first, gets a key exchange of its own.
    pfs: libreswanPfs(esp),
    auto: 'add',
    // Its script would set routes, which the machines have already.
    leftupdown: '%disabled',
    ...connection,
  };
  const connections = childrenOf(settings).map(
    (child) => [child.name, { ...common, ...childOptions(child), ...child.libreswan }] as const,
  );
  return {
    setup: { logtime: 'no', ...setup },
    connections: Object.fromEntries(connections),
    secrets: [`@${identities.theirs} @${identities.ours} : PSK "${secretOf(settings, 'theirs')}"`],
    revives,
    ...(credentials === undefined ? {} : { credentials }),
  };
}

function childOptions(child: ChildSettings): IpsecOptions {
  const { networks, protocol, port } = traffic(child, 'theirs');
  const protoport = `${protocol?.toLowerCase()}${port === undefined ? '' : `/${port}`}`;
  return {
    type: (child.mode ?? 'Transport').toLowerCase(),
    ...(networks === undefined ? {} : { leftsubnet: networks.theirs, rightsubnet: networks.ours }),
    ...(protocol === undefined ? {} : { leftprotoport: protoport, rightprotoport: protoport }),
  };
}
