import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { SlicePeer } from '../api/ipsec-peer-slice.ts';
import { MAX_SLICE_PEERS } from '../api/limits.ts';
import { placePeers } from './placement.ts';

function peer(number: number): SlicePeer {
  return { uid: `uid-${number}`, name: `node-${number}`, addresses: ['192.0.2.1'], identity: { fqdn: 'a.test' } };
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

describe('placing peers in slices', () => {
  it('fills the first slice that has room', () => {
    const [first, second] = [numbers(100).map(peer), numbers(150).slice(100).map(peer)];
    const present = [
      { index: 0, peers: first.slice(1) },
      { index: 1, peers: second },
    ];
    const wanted = [...first.slice(1), ...second, peer(1_000), peer(1_001)];
    const placed = placePeers(present, wanted);
    expect(placed.map(({ peers }) => peers.length)).toEqual([100, 51]);
    expect(placed[0]?.peers.at(-1)?.uid).toBe('uid-1000');
  });

  it('gives a new slice an index that no other has', () => {
    const full = numbers(100).map(peer);
    const placed = placePeers([{ index: 3, peers: full }], [...full, peer(500)]);
    expect(placed.map(({ index, peers }) => [index, peers.length])).toEqual([
      [3, 100],
      [4, 1],
    ]);
  });

  it('keeps the first place of a peer that stands twice', () => {
    const present = [
      { index: 0, peers: [peer(1)] },
      { index: 1, peers: [peer(1), peer(2)] },
    ];
    expect(placePeers(present, [peer(1), peer(2)]).map(({ peers }) => peers.map(({ uid }) => uid))).toEqual([
      ['uid-1'],
      ['uid-2'],
    ]);
  });

  it('moves nobody, loses nobody and overfills no slice, whoever comes and goes', () => {
    const steps = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 350 }), { maxLength: 8 });
    fc.assert(
      fc.property(steps, (rounds) => {
        let slices: ReturnType<typeof placePeers> = [];
        for (const wanted of rounds) {
          const before = placesOf(slices);
          slices = placePeers(slices, wanted.map(peer));
          const places = placesOf(slices);
          expect([...places.keys()].sort()).toEqual(wanted.map((number) => `uid-${number}`).sort());
          for (const [uid, index] of places) expect(before.get(uid) ?? index).toBe(index);
          for (const { peers } of slices) expect(peers.length).toBeLessThanOrEqual(MAX_SLICE_PEERS);
        }
      }),
      { numRuns: 50 },
    );
  });
});

function placesOf(slices: ReturnType<typeof placePeers>): ReadonlyMap<string, number> {
  return new Map(slices.flatMap(({ index, peers }) => peers.map(({ uid }) => [uid, index] as const)));
}
