import type { SlicePeer } from '../../operator/api/ipsec-peer-slice.ts';
import { MAX_PEERS, PEER_ABSENCE_MS } from './limits.ts';

/** A peer of a mesh, and when it was seen first. */
export interface KnownPeer {
  readonly peer: SlicePeer;
  readonly sinceMs: number;
}

/**
 * The peers of one mesh by the UID of their Node. One that stands in several slices is one; one that stands in none any
 * more stays for a while, for it may be on its way into another; and no slices at all say nothing: then it is the slices
 * that are gone, not the peers.
 */
export class PeerRoster {
  readonly #known = new Map<string, { peer: SlicePeer; readonly sinceMs: number; absentSinceMs: number | undefined }>();
  #slices = 0;

  /** Takes in all slices of the mesh, in any order. */
  update(slices: readonly (readonly SlicePeer[])[], nowMs: number): void {
    this.#slices = slices.length;
    const listed = new Map(slices.flat().map((peer) => [peer.uid, peer]));
    for (const [uid, known] of this.#known) {
      const peer = listed.get(uid);
      if (peer !== undefined) known.peer = peer;
      known.absentSinceMs = peer === undefined ? (known.absentSinceMs ?? nowMs) : undefined;
    }
    for (const [uid, peer] of listed) {
      if (this.#known.has(uid) || this.#known.size >= MAX_PEERS) continue;
      this.#known.set(uid, { peer, sinceMs: nowMs, absentSinceMs: undefined });
    }
  }

  /** The peers of this moment, by UID, so that every agent has them in the same order. */
  peers(nowMs: number): readonly KnownPeer[] {
    if (this.#slices > 0) {
      for (const [uid, { absentSinceMs }] of this.#known) {
        if (absentSinceMs !== undefined && nowMs - absentSinceMs >= PEER_ABSENCE_MS) this.#known.delete(uid);
      }
    }
    const named = new Map<string, KnownPeer & { readonly absent: boolean }>();
    for (const { peer, sinceMs, absentSinceMs } of this.#known.values()) {
      const absent = absentSinceMs !== undefined;
      // A node that was made anew under its name has another UID: the one that is listed is meant.
      const other = named.get(peer.name);
      if (other === undefined || (other.absent && !absent)) named.set(peer.name, { peer, sinceMs, absent });
    }
    return [...named.values()].sort((left, right) => (left.peer.uid < right.peer.uid ? -1 : 1));
  }

  /** When the next peer will have been absent long enough; undefined where none is. */
  nextChangeMs(): number | undefined {
    if (this.#slices === 0) return undefined;
    const absent = [...this.#known.values()].flatMap(({ absentSinceMs }) => absentSinceMs ?? []);
    return absent.length === 0 ? undefined : Math.min(...absent) + PEER_ABSENCE_MS;
  }
}
