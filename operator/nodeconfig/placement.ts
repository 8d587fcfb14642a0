import type { IpsecPeerSlice, SlicePeer } from '../api/ipsec-peer-slice.ts';
import { MAX_SLICE_PEERS } from '../api/limits.ts';
import { sliceIndex } from './names.ts';

/** The peers of one slice, by the index that its name ends in. */
export interface PlacedSlice {
  readonly index: number;
  readonly peers: readonly SlicePeer[];
}

/**
 * Which slice each peer stands in. A peer stays where it is for ever; a new one goes into the first slice with room, so
 * that a node that joins costs one write however many there are. A peer that stands twice keeps its first place.
 */
export function placePeers(present: readonly PlacedSlice[], wanted: readonly SlicePeer[]): readonly PlacedSlice[] {
  const unplaced = new Map(wanted.map((peer) => [peer.uid, peer]));
  const slices = present
    .toSorted((left, right) => left.index - right.index)
    .map(({ index, peers }) => ({
      index,
      peers: peers.flatMap(({ uid }) => {
        const peer = unplaced.get(uid);
        unplaced.delete(uid);
        return peer === undefined ? [] : [peer];
      }),
    }));
  let first = 0;
  for (const peer of unplaced.values()) {
    while ((slices[first]?.peers.length ?? 0) >= MAX_SLICE_PEERS) first += 1;
    const slice = slices[first];
    if (slice === undefined) slices.push({ index: freeIndex(slices), peers: [peer] });
    else slice.peers.push(peer);
  }
  return slices;
}

/** The slices of one peering among all, with the index that each has in its name. */
export function slicesOf(
  slices: readonly IpsecPeerSlice[],
  peering: { readonly name: string; readonly uid: string },
): readonly (PlacedSlice & { readonly slice: IpsecPeerSlice })[] {
  return slices.flatMap((slice) => {
    const index = sliceIndex(slice.metadata.name, peering);
    return index === undefined ? [] : [{ index, peers: slice.peers, slice }];
  });
}

function freeIndex(slices: readonly PlacedSlice[]): number {
  return slices.reduce((next, { index }) => Math.max(next, index + 1), 0);
}
