import { canonicalAddress, canonicalNetwork, familyOf, isHostAddress } from '../api/ip-text.ts';
import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { MAX_POD_CIDRS } from '../api/limits.ts';
import type { Obstacle, Shortfall } from '../policies/standing.ts';
import { type ClaimedNetwork, type LostClaim, lostClaims } from './claims.ts';
import { formerPodCidrs } from './former-networks.ts';
import { matchesSelector } from './matches-selector.ts';
import { hasAccessName } from './names.ts';
import type { Moment, NodeObject, Observed, UnreadableObject } from './observed.ts';

/** A Node that is there, and what is known of it. */
export interface KnownNode {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly linux: boolean;
  /** Those that no other node had first, in the order of the Node's status. */
  readonly addresses: readonly NodeAddress[];
  /** Those of before, where it was registered again, come last. */
  readonly podCidrs: readonly string[];
  readonly config: IpsecNodeConfig | undefined;
  /** Its IPsecNodeConfig, where that is there and cannot be read: what the node was told is not known. */
  readonly unreadable: UnreadableObject | undefined;
  /** The status of `config`, where the agent Pod that is Ready now wrote it. */
  readonly status: IpsecNodeConfig['status'];
  readonly lostAddresses: readonly LostAddress[];
  readonly lostPodCidrs: readonly LostClaim[];
}

/** An address in the status of a Node. */
interface NodeAddress {
  readonly type: string;
  readonly address: string;
}

/** An address that another node had first. */
interface LostAddress extends NodeAddress {
  readonly owner: string;
}

/** A node of a peering. */
export interface Member {
  readonly node: KnownNode;
  /** One of each family at most; none where there is an obstacle. */
  readonly addresses: readonly string[];
  readonly obstacle: Obstacle | undefined;
  /** What of it stays outside although it takes part. */
  readonly shortfall: Shortfall | undefined;
}

/** Every Node that is there. */
export function rosterOf(observed: Observed, at: Moment): readonly KnownNode[] {
  const configs = new Map(observed.nodeConfigs.map((config) => [config.metadata.name, config]));
  const unreadable = new Map(
    observed.unreadableObjects
      .filter(({ kind }) => kind === 'IPsecNodeConfig')
      .map((each) => [each.metadata.name, each]),
  );
  const known = knownNetworks(observed);
  const claims = observed.nodes.map((object) => {
    const uid = uidOf(object);
    const claimant = { name: object.metadata.name, since: observed.since.get(uid) ?? 0 };
    return { object, uid, claimant, addresses: addressesIn(object), podCidrs: podCidrsIn(object) };
  });
  const lostAddresses = lostClaims(
    claims.map(({ claimant, addresses }) => ({
      ...claimant,
      networks: claimed(networksOf(addresses), known.addresses.get(claimant.name)),
    })),
  );
  const lostPodCidrs = lostClaims(
    claims.map(({ claimant, podCidrs }) => ({
      ...claimant,
      networks: claimed(podCidrs, known.podCidrs.get(claimant.name)),
    })),
  );
  const keeps = ({ claimant: { name }, podCidrs }: (typeof claims)[number]): readonly string[] =>
    podCidrs.filter((cidr) => !isAmong(lostPodCidrs.get(name) ?? [], cidr));
  const former = formerPodCidrs(
    claims.map((claim) => ({
      ...claim.claimant,
      uid: claim.uid,
      podCidrs: keeps(claim),
      known: known.podCidrs.get(claim.claimant.name),
    })),
    observed.since,
    at,
  );
  return claims.map((claim) => {
    const { object, uid, addresses } = claim;
    const { name, labels = {} } = object.metadata;
    const config = configs.get(name);
    const written = config?.status?.agent?.podUID;
    const lost = lostAddresses.get(name) ?? [];
    return {
      name,
      uid,
      labels,
      linux: (object.status?.nodeInfo?.operatingSystem ?? labels['kubernetes.io/os'] ?? 'linux') === 'linux',
      addresses: addresses.filter(({ address }) => !isAmong(lost, hostNetwork(address))),
      podCidrs: [...keeps(claim), ...(former.get(name) ?? [])].slice(0, MAX_POD_CIDRS),
      config,
      unreadable: unreadable.get(name),
      status: written !== undefined && written === observed.agentPods.get(name) ? config?.status : undefined,
      lostAddresses: addresses.flatMap((each) => {
        const claim = lost.find(({ network }) => network === hostNetwork(each.address));
        return claim === undefined ? [] : { ...each, owner: claim.owner };
      }),
      lostPodCidrs: lostPodCidrs.get(name) ?? [],
    };
  });
}

/** By which networks peers know nodes, by the name of the node. */
interface KnownNetworks {
  readonly addresses: ReadonlyMap<string, ReadonlySet<string>>;
  readonly podCidrs: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * What the slices list. By name, for a Node that was made again under its name is still the same to its peers: its
 * certificate says so, and no kubelet can have a Node of another name.
 */
function knownNetworks({ slices }: Observed): KnownNetworks {
  const addresses = new Map<string, Set<string>>();
  const podCidrs = new Map<string, Set<string>>();
  const note = (known: Map<string, Set<string>>, name: string, networks: readonly string[]): void => {
    known.set(name, new Set([...(known.get(name) ?? []), ...networks]));
  };
  for (const peer of slices.flatMap(({ peers }) => peers)) {
    note(addresses, peer.name, peer.addresses.map(hostNetwork));
    note(podCidrs, peer.name, peer.podCIDRs ?? []);
  }
  return { addresses, podCidrs };
}

function claimed(networks: readonly string[], known: ReadonlySet<string> | undefined): readonly ClaimedNetwork[] {
  return networks.map((network) => ({ network, established: known?.has(network) === true }));
}

/** The nodes that a peering selects, and how many of those it matches do not run Linux. */
export function membersOf(
  { spec: { nodes, traffic } }: IpsecPeering,
  roster: readonly KnownNode[],
): { readonly members: readonly Member[]; readonly notLinux: number } {
  const matched = roster.filter(({ labels }) => matchesSelector(nodes.selector, labels));
  const needsPods = traffic.scope !== 'Nodes';
  const members = matched
    .filter(({ linux }) => linux)
    .map((node) => {
      const addresses = addressesOf(node, nodes.addressType);
      const obstacle = obstacleOf(node, addresses, nodes.addressType, needsPods);
      if (obstacle !== undefined) return { node, addresses: [], obstacle, shortfall: undefined };
      return { node, addresses, obstacle, shortfall: shortfallOf(node, addresses, nodes.addressType, needsPods) };
    });
  return { members, notLinux: matched.length - members.length };
}

function obstacleOf(
  node: KnownNode,
  addresses: readonly string[],
  addressType: string,
  needsPods: boolean,
): Obstacle | undefined {
  if (!hasAccessName(node.name)) return { reason: 'NameTooLong', text: 'has a name of more than 248 characters' };
  if (addresses.length === 0) {
    const lost = node.lostAddresses.find(({ type }) => type === addressType);
    if (lost === undefined)
      return { reason: 'NoAddress', text: `has no usable ${addressType} in its status.addresses` };
    const text = `claims ${lost.address}, which node ${lost.owner} had first: correct one of them`;
    return { reason: 'AddressClaimed', text };
  }
  if (!needsPods || node.podCidrs.length > 0) return undefined;
  const [lost] = node.lostPodCidrs;
  if (lost === undefined) {
    return {
      reason: 'NoPodCIDR',
      text: 'has no spec.podCIDRs, which the scope needs: use scope Nodes, or a network that sets them',
    };
  }
  return {
    reason: 'PodCIDRClaimed',
    text: `claims ${lost.network}, which node ${lost.owner} had first: correct one of them`,
  };
}

/**
 * What of a node another one had first, so that traffic with it is not encrypted: the only address of its family, a pod
 * CIDR. Of several addresses of a family one is enough.
 */
function shortfallOf(
  node: KnownNode,
  addresses: readonly string[],
  addressType: string,
  needsPods: boolean,
): Shortfall | undefined {
  const families = new Set(addresses.map(familyOf));
  const address = node.lostAddresses.find(({ type, address }) => {
    return type === addressType && !families.has(familyOf(address));
  });
  if (address !== undefined) return claimedBy('AddressClaimed', address.address, address.owner);
  const [cidr] = needsPods ? node.lostPodCidrs : [];
  return cidr === undefined ? undefined : claimedBy('PodCIDRClaimed', cidr.network, cidr.owner);
}

function claimedBy(reason: Shortfall['reason'], network: string, owner: string): Shortfall {
  return { reason, text: `takes part without ${network}, which node ${owner} had first: correct one of them` };
}

/** The first address of each family, as Kubernetes orders them. */
function addressesOf(node: KnownNode, addressType: string): readonly string[] {
  const own = node.addresses.filter(({ type }) => type === addressType).map(({ address }) => address);
  return ([4, 6] as const).flatMap((family) => own.find((address) => familyOf(address) === family) ?? []);
}

/** What the node says is its own, for whichever peering. */
function addressesIn(node: NodeObject): readonly NodeAddress[] {
  return (node.status?.addresses ?? []).flatMap(({ type, address }) => {
    if (!ADDRESS_TYPES.has(type) || !isHostAddress(address)) return [];
    return [{ type, address: canonicalAddress(address) ?? address }];
  });
}

function podCidrsIn({ spec }: NodeObject): readonly string[] {
  const given = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  return [...new Set(given.flatMap((cidr) => canonicalNetwork(cidr) ?? []))].slice(0, MAX_POD_CIDRS);
}

function networksOf(addresses: readonly NodeAddress[]): readonly string[] {
  return [...new Set(addresses.map(({ address }) => hostNetwork(address)))];
}

function isAmong(claims: readonly LostClaim[], network: string): boolean {
  return claims.some((claim) => claim.network === network);
}

function hostNetwork(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

/** The UID of an object that came from the API server; that one is missing is a bug. */
export function uidOf({
  metadata,
}: {
  readonly metadata: { readonly name: string; readonly uid?: string | undefined };
}): string {
  if (metadata.uid === undefined) throw new Error(`${metadata.name} has no UID`);
  return metadata.uid;
}

const ADDRESS_TYPES: ReadonlySet<string> = new Set(['InternalIP', 'ExternalIP']);
