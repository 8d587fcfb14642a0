import type { SlicePeer } from '../../operator/api/ipsec-peer-slice.ts';
import { MAX_PEERS, PEER_ABSENCE_MS } from './limits.ts';
import type { ReadSlice, UnreadPeer } from './node-config.ts';

/** A peer of a mesh, and when it was seen first. */
export interface KnownPeer {
  readonly peer: SlicePeer;
  /** By a clock that nobody sets; `KNOWN_BEFORE`: before the start. */
  readonly sinceMs: number;
}

/** Since when somebody is known who is not new to this run. */
export const KNOWN_BEFORE = Number.NEGATIVE_INFINITY;

/**
 * The peers of one mesh by the UID of their Node. One that stands in several slices is one; one that stands in none any
 * more stays for a while, for it may be on its way into another; one that stands in one and cannot be read stays as it was;
 * and no slices at all say nothing: then it is the slices that are gone, not the peers.
 */
export class PeerRoster {
  readonly #known = new Map<string, { peer: SlicePeer; readonly sinceMs: number; absentSinceMs: number | undefined }>();
  #slices = 0;
  #unread: readonly UnreadPeer[] = [];

  /** Whether there is any slice of the mesh. */
  get hasSlices(): boolean {
    return this.#slices > 0;
  }

  /** Peers that stand in slices and cannot be read. */
  get unread(): readonly UnreadPeer[] {
    return this.#unread;
  }

  /** Takes in all slices of the mesh, in any order. */
  update(slices: readonly ReadSlice[], nowMs: number): void {
    this.#slices = slices.length;
    this.#unread = slices.flatMap(({ unread }) => unread);
    const listed = new Map(slices.flatMap(({ peers }) => peers).map((peer) => [peer.uid, peer]));
    for (const [uid, known] of this.#known) {
      const peer = listed.get(uid);
      if (peer !== undefined) known.peer = peer;
      // Without slices nobody is absent: they come back one by one.
      const isAbsent = peer === undefined && this.hasSlices && !this.#mayBeUnread(uid);
      known.absentSinceMs = isAbsent ? (known.absentSinceMs ?? nowMs) : undefined;
    }
    for (const [uid, peer] of listed) {
      if (this.#known.has(uid) || this.#known.size >= MAX_PEERS) continue;
      this.#known.set(uid, { peer, sinceMs: nowMs, absentSinceMs: undefined });
    }
  }

  /**
   * The peers of this moment, by UID, so that every agent has them in the same order; absent ones last, since a listed one
   * may have got the address of one.
   */
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
    return [...named.values()]
      .sort((left, right) => Number(left.absent) - Number(right.absent) || (left.peer.uid < right.peer.uid ? -1 : 1))
      .map(({ peer, sinceMs }) => ({ peer, sinceMs }));
  }

  /**
   * Takes in who was known to an earlier run. Whoever no slice lists may still be there, as while they are made anew, and is
   * absent from here on.
   */
  remember(peers: readonly SlicePeer[], nowMs: number): void {
    for (const peer of peers) {
      if (this.#known.has(peer.uid) || this.#known.size >= MAX_PEERS) continue;
      const absentSinceMs = this.hasSlices && !this.#mayBeUnread(peer.uid) ? nowMs : undefined;
      this.#known.set(peer.uid, { peer, sinceMs: KNOWN_BEFORE, absentSinceMs });
    }
  }

  #mayBeUnread(uid: string): boolean {
    return this.#unread.some((each) => each.uid === undefined || each.uid === uid);
  }

  /** When the next peer will have been absent long enough; undefined where none is. */
  nextChangeMs(): number | undefined {
    if (this.#slices === 0) return undefined;
    const absent = [...this.#known.values()].flatMap(({ absentSinceMs }) => absentSinceMs ?? []);
    return absent.length === 0 ? undefined : Math.min(...absent) + PEER_ABSENCE_MS;
  }
}
