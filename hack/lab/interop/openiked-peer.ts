import type { Iked } from '../openiked/iked.ts';
import type { IkedConfiguration } from '../openiked/iked-conf.ts';
import { openikedProposal } from '../openiked/proposal.ts';
import type { Lab } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { addresses, childrenOf, identities, type LinkSettings, proposals, secretOf, traffic } from './link-settings.ts';

/** Starts an iked as the other end of a link with one Child SA; it does nothing by itself. */
export function startIked(lab: Lab, node: LabNode, settings: LinkSettings): Promise<Iked> {
  return lab.iked(node, ikedConfiguration(settings));
}

function ikedConfiguration(settings: LinkSettings): IkedConfiguration {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  const [child, ...others] = childrenOf(settings);
  if (child === undefined || others.length > 0) throw new Error('an iked of the lab has one Child SA');
  const { networks } = traffic(child, 'theirs');
  const { ike, esp } = proposals(settings, 'theirs');
  const { openiked = {} } = settings;
  const byCertificate = openiked.files !== undefined;
  return {
    name: child.name,
    mode: child.mode === 'Tunnel' ? 'tunnel' : 'transport',
    selectors: { local: networks?.theirs ?? theirs, remote: networks?.ours ?? ours },
    addresses: { local: theirs, remote: ours },
    identities: { local: identities.theirs, remote: identities.ours },
    ikeProposal: openikedProposal(ike),
    espProposal: openikedProposal(`${esp}-noesn`),
    ...(byCertificate ? {} : { preSharedKey: secretOf(settings, 'theirs') }),
    ...openiked,
  };
}
