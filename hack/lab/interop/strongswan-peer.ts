import type { Lab } from '../runner/scenario.ts';
import type { Charon } from '../strongswan/charon.ts';
import type { Section } from '../strongswan/settings.ts';
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

/** Starts a charon as the other end of a link; it does nothing by itself unless its settings say so. */
export function startCharon(lab: Lab, node: LabNode, settings: LinkSettings): Promise<Charon> {
  const { charon = {}, files = {} } = settings.strongswan ?? {};
  return lab.charon(node, { swanctl: swanctlConf(settings), charon, files });
}

function swanctlConf(settings: LinkSettings): Section {
  const { ours, theirs } = addresses[settings.family ?? 4].wire;
  const { connection = {}, shunts } = settings.strongswan ?? {};
  const { ike, esp } = proposals(settings, 'theirs');
  const children = childrenOf(settings).map(
    (child) => [child.name, { esp_proposals: esp, ...childSection(child), ...child.strongswan }] as const,
  );
  return {
    connections: {
      ours: {
        version: 2,
        local_addrs: theirs,
        remote_addrs: ours,
        proposals: ike,
        local: { auth: 'psk', id: identities.theirs },
        remote: { auth: 'psk', id: identities.ours },
        children: Object.fromEntries(children),
        ...connection,
      },
      ...(shunts === undefined ? {} : { shunts: { children: shunts } }),
    },
    secrets: {
      'ike-ours': { 'id-1': identities.theirs, 'id-2': identities.ours, secret: secretOf(settings, 'theirs') },
    },
  };
}

function childSection(child: ChildSettings): Section {
  const { networks, protocol, port } = traffic(child, 'theirs');
  const suffix = protocol === undefined ? '' : `[${protocol.toLowerCase()}${port === undefined ? '' : `/${port}`}]`;
  return {
    mode: (child.mode ?? 'Transport').toLowerCase(),
    local_ts: `${networks?.theirs ?? 'dynamic'}${suffix}`,
    remote_ts: `${networks?.ours ?? 'dynamic'}${suffix}`,
  };
}
