import { familyOf } from '../api/ip-text.ts';
import { MAX_ESSENTIAL_SERVERS } from '../api/limits.ts';
import type { Draft } from './draft.ts';
import { type Exemption, textOf } from './exemptions.ts';
import type { Observed } from './observed.ts';

/** Everything that a peering exempts in the end: what it says, and in a mesh what a cluster cannot be repaired without. */
export function wantedExemptions(draft: Draft, observed: Observed): readonly Exemption[] {
  const { remote, traffic } = draft.peering.spec;
  const { exempt = [], essential } = traffic;
  if (remote.mesh === undefined) return exempt;
  const servers = essential.servers ?? serversOf(draft, observed);
  return [...exempt, ...servers.slice(0, MAX_ESSENTIAL_SERVERS).flatMap((server) => exemptionsOf(server, essential))];
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
 * every restart, and each change is a write for every node. A server whose Node is only not seen stays.
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
  const staying = unseen
    .flatMap(({ addresses }) => addresses)
    .filter((address) =>
      exemptionsOf(hostNetwork(address), peering.spec.traffic.essential).some((each) => present.has(textOf(each))),
    );
  const addresses = new Set([...seen.flatMap((member) => member.addresses), ...staying]);
  return [...addresses].sort().map(hostNetwork);
}

function hostNetwork(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
const API_SERVER_PORT = 6_443;
const KUBELET_PORT = 10_250;
const DNS_PORT = 53;
const NTP_PORT = 123;
