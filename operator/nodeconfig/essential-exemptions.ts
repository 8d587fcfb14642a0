import { familyOf } from '../api/ip-text.ts';
import { MAX_ESSENTIAL_SERVERS } from '../api/limits.ts';
import type { Draft } from './draft.ts';
import { type Exemption, textOf } from './exemptions.ts';
import type { Observed } from './observed.ts';

/** What a peering exempts in the end. */
export interface WantedExemptions {
  readonly exemptions: readonly Exemption[];
  /** Networks of servers that there is no room for. */
  readonly leftOut: readonly string[];
}

/** Everything that a peering exempts in the end: what it says, and in a mesh what a cluster cannot be repaired without. */
export function wantedExemptions(draft: Draft, observed: Observed): WantedExemptions {
  const { remote, traffic } = draft.peering.spec;
  const { exempt = [], essential } = traffic;
  if (remote.mesh === undefined) return { exemptions: exempt, leftOut: [] };
  const servers = (essential.servers ?? serversOf(draft, observed)).filter(
    (server) => exemptionsOf(server, essential).length > 0,
  );
  return {
    exemptions: [
      ...exempt,
      ...servers.slice(0, MAX_ESSENTIAL_SERVERS).flatMap((server) => exemptionsOf(server, essential)),
    ],
    leftOut: servers.slice(MAX_ESSENTIAL_SERVERS),
  };
}

type Essential = Draft['peering']['spec']['traffic']['essential'];

/** Both ends begin none of these but towards the server, or from it. */
function exemptionsOf(cidr: string, { apiServer, kubelet, dns, ntp }: Essential): readonly Exemption[] {
  const towards = (protocol: 'TCP' | 'UDP', port: number): Exemption => ({
    protocol,
    ports: [{ from: port }],
    cidr,
    direction: 'Outbound',
  });
  return [
    ...(apiServer === 'Exempt' ? [towards('TCP', API_SERVER_PORT)] : []),
    ...(kubelet === 'Exempt' ? [{ ...towards('TCP', KUBELET_PORT), direction: 'Inbound' as const }] : []),
    ...(dns === 'Exempt' ? [towards('UDP', DNS_PORT), towards('TCP', DNS_PORT)] : []),
    ...(ntp === 'Exempt' ? [towards('UDP', NTP_PORT)] : []),
  ];
}

/**
 * The control-plane nodes of a mesh, by their labels and not by the endpoints of the API server: these come and go with
 * every restart, and each change is a write for every node. A server whose Node is only not seen stays. Those that are
 * exempt already come first: one that joins must not take the place of another.
 */
function serversOf({ peering, members }: Draft, { nodes, slices }: Observed): readonly string[] {
  const seen = members.filter(({ node: { labels } }) => CONTROL_PLANE.some((label) => labels[label] !== undefined));
  const uids = new Set(nodes.map(({ metadata }) => metadata.uid));
  const unseen = slices
    .filter((slice) => slice.peering === peering.metadata.name)
    .flatMap(({ peers }) => peers.filter(({ uid }) => !uids.has(uid)));
  const present = new Set(
    members.flatMap(({ node: { config } }) =>
      (config?.spec.peerings.find(({ name }) => name === peering.metadata.name)?.traffic.exempt ?? []).map(textOf),
    ),
  );
  const isPresent = (server: string): boolean =>
    exemptionsOf(server, peering.spec.traffic.essential).some((each) => present.has(textOf(each)));
  const staying = unseen.flatMap(({ addresses }) => addresses).filter((address) => isPresent(hostNetwork(address)));
  const addresses = new Set([...seen.flatMap((member) => member.addresses), ...staying]);
  const servers = [...addresses].sort().map(hostNetwork);
  return [...servers.filter(isPresent), ...servers.filter((server) => !isPresent(server))];
}

function hostNetwork(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
const API_SERVER_PORT = 6_443;
const KUBELET_PORT = 10_250;
const DNS_PORT = 53;
const NTP_PORT = 123;
