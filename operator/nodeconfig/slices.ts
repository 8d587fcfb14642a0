import type { IpsecPeerSlice, SlicePeer } from '../api/ipsec-peer-slice.ts';
import { apiVersion } from '../api/resource.ts';
import type { Draft } from './draft.ts';
import { isLongGone } from './gone.ts';
import { nodeFqdn } from './identity.ts';
import { PEERING_LABEL, sliceIndex, sliceName } from './names.ts';
import { ownEntry } from './node-entries.ts';
import type { ClusterSettings, Moment, Observed, UnreadableObject } from './observed.ts';
import { placePeers, slicesOf } from './placement.ts';
import { type KnownNode, type Member, uidOf } from './roster.ts';

/** The slices of one mesh, and those of before that have become empty. */
export interface SlicePlan {
  readonly wanted: readonly IpsecPeerSlice[];
  readonly emptied: readonly IpsecPeerSlice[];
}

/** The slices of an accepted mesh; a peering that is not accepted, or is no mesh, changes none. */
export function sliceplanOf(
  draft: Draft,
  roster: readonly KnownNode[],
  observed: Observed,
  settings: ClusterSettings,
  at: Moment,
): SlicePlan {
  const { peering, acceptance } = draft;
  if (peering.spec.remote.mesh === undefined || acceptance.status !== 'True') return { wanted: [], emptied: [] };
  const identity = { name: peering.metadata.name, uid: uidOf(peering) };
  // Whoever stands in one that cannot be read would get a second place, or lose the only one.
  if (unreadableSlices(identity, observed).length > 0) return { wanted: [], emptied: [] };
  const present = slicesOf(observed.slices, identity);
  const placed = placePeers(
    present,
    peersOf(
      draft,
      present.flatMap(({ peers }) => peers),
      roster,
      observed,
      settings,
      at,
    ),
  );
  const emptied = new Set(placed.flatMap(({ index, peers }) => (peers.length === 0 ? [index] : [])));
  return {
    wanted: placed
      .filter(({ index }) => !emptied.has(index))
      .map(({ index, peers }) => ({
        apiVersion,
        kind: 'IPsecPeerSlice',
        metadata: {
          name: sliceName(identity, index),
          labels: { [PEERING_LABEL]: identity.name },
          ownerReferences: [{ apiVersion, kind: 'IPsecPeering', ...identity, controller: true }],
        },
        peering: identity.name,
        peers: [...peers],
      })),
    emptied: present.filter(({ index }) => emptied.has(index)).map(({ slice }) => slice),
  };
}

/** Those of a peering that are there and cannot be read. */
export function unreadableSlices(
  peering: { readonly name: string; readonly uid: string },
  { unreadableObjects }: Observed,
): readonly UnreadableObject[] {
  return unreadableObjects.filter(
    ({ kind, metadata }) => kind === 'IPsecPeerSlice' && sliceIndex(metadata.name, peering) !== undefined,
  );
}

/**
 * Who is to stand in the slices: nodes whose agents have a certificate, and who stands there and is not known to have been
 * gone for long or is made again; who is known to be gone is marked, so that nobody is in trouble for not reaching it.
 */
function peersOf(
  { peering, members }: Draft,
  standing: readonly SlicePeer[],
  roster: readonly KnownNode[],
  observed: Observed,
  { trustDomain }: ClusterSettings,
  at: Moment,
): readonly SlicePeer[] {
  const before = new Map(standing.map((peer) => [peer.uid, peer]));
  const places = new Set(standing.map(({ name }) => name));
  const owners = addressOwners(roster);
  const admitted = members.flatMap((member): readonly SlicePeer[] => {
    const { node, obstacle } = member;
    const old = before.get(node.uid);
    // Its agent is not told of the peering any more, so nobody could reach it.
    if (obstacle?.reason === 'TooManyPeerings') return [];
    if (obstacle !== undefined) return old === undefined ? [] : withoutForeign(withNode(old), owners);
    const mayHave = node.unreadable !== undefined && !places.has(node.name);
    return old === undefined && !mayHave && !hasCertificate(member, peering) ? [] : [peerOf(member, trustDomain)];
  });
  const names = new Set(admitted.map(({ name }) => name));
  const known = new Set(roster.map(({ uid }) => uid));
  // A node whose Node object was deleted and made again keeps its place until it can take the new one, however long.
  const selected = new Set(members.map(({ node }) => node.name));
  const missing = standing
    .filter(({ uid, name }) => !known.has(uid) && !names.has(name))
    .filter(({ uid, name }) => selected.has(name) || !isLongGone(observed.gone, uid, at))
    .map((peer) => (observed.gone.nodes.has(peer.uid) ? { ...peer, gone: true } : peer))
    .flatMap((peer) => withoutForeign(peer, owners));
  return [...admitted, ...missing];
}

function peerOf({ node, addresses }: Member, trustDomain: string): SlicePeer {
  return {
    uid: node.uid,
    name: node.name,
    addresses: [...addresses],
    ...(node.podCidrs.length === 0 ? {} : { podCIDRs: [...node.podCidrs] }),
    identity: { fqdn: nodeFqdn(node.name, trustDomain) },
  };
}

/** A peer of before, whose Node is there. */
function withNode({ gone: _, ...peer }: SlicePeer): SlicePeer {
  return peer;
}

/**
 * Whether the agent has ever said that it uses the certificate that it was told of. One that is away has left its SAs in
 * the kernel: its peers must not lose it because the slices were made anew.
 */
function hasCertificate(member: Member, { metadata }: Draft['peering']): boolean {
  const told = ownEntry(member, metadata.name)?.authentication.certificate?.secretName;
  const said = member.node.config?.status?.peerings?.find(({ name }) => name === metadata.name);
  return told !== undefined && said?.certificate?.secretName === told;
}

/** Whose addresses are whose among the Nodes that are there, by name: one that was made again still has its own. */
function addressOwners(roster: readonly KnownNode[]): ReadonlyMap<string, string> {
  return new Map(roster.flatMap(({ name, addresses }) => addresses.map(({ address }) => [address, name] as const)));
}

/** A peer of before without the addresses that are another node's by now; none where it has no others. */
function withoutForeign(peer: SlicePeer, owners: ReadonlyMap<string, string>): readonly SlicePeer[] {
  const addresses = peer.addresses.filter((address) => (owners.get(address) ?? peer.name) === peer.name);
  return addresses.length === 0 ? [] : [{ ...peer, addresses }];
}
