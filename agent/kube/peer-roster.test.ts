import { describe, expect, it } from 'vitest';

import type { SlicePeer } from '../../operator/api/ipsec-peer-slice.ts';
import type { ReadSlice } from './node-config.ts';
import { PeerRoster } from './peer-roster.ts';

function peer(uid: string, name = `node-${uid}`): SlicePeer {
  return { uid, name, addresses: ['10.0.0.1'], identity: { fqdn: `${name}.mesh.internal` } };
}

function slice(...peers: readonly SlicePeer[]): ReadSlice {
  return { peers, unread: [] };
}

function names(roster: PeerRoster, nowMs: number): readonly string[] {
  return roster.peers(nowMs).map(({ peer: { name } }) => name);
}

describe('the peers of a mesh', () => {
  it('are each one, however many slices they stand in', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('b'), peer('a')), slice(peer('a'))], 0);
    expect(names(roster, 0)).toEqual(['node-a', 'node-b']);
  });

  it('stay for 30 s when they stand in no slice any more, and are not lost on the way to another', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a'), peer('b'))], 0);
    roster.update([slice(peer('a'))], 10_000);
    expect(names(roster, 39_999)).toEqual(['node-a', 'node-b']);
    expect(roster.nextChangeMs()).toBe(40_000);
    roster.update([slice(peer('a')), slice(peer('b'))], 39_999);
    expect(roster.nextChangeMs()).toBeUndefined();
    expect(names(roster, 100_000)).toEqual(['node-a', 'node-b']);
    roster.update([slice(peer('a'))], 100_000);
    expect(names(roster, 130_000)).toEqual(['node-a']);
  });

  it('stay for ever when all slices are gone, as when the kind was deleted', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a'), peer('b'))], 0);
    roster.update([slice(peer('a'))], 1_000);
    roster.update([], 2_000);
    expect(names(roster, 1e9)).toEqual(['node-a', 'node-b']);
    expect(roster.nextChangeMs()).toBeUndefined();
  });

  it('stay for 30 s from when the first slice is back, however long there was none', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a')), slice(peer('b'))], 0);
    roster.update([slice(peer('a'))], 1_000);
    roster.update([], 2_000);
    roster.update([slice(peer('a'))], 3_600_000);
    expect(names(roster, 3_600_000)).toEqual(['node-a', 'node-b']);
    expect(roster.nextChangeMs()).toBe(3_630_000);
    expect(names(roster, 3_630_000)).toEqual(['node-a']);
  });

  it.each([
    ['by its UID', 'b'],
    ['where not even its UID can be read', undefined],
  ])('stay as they were while their slices list them in a way that cannot be read, %s', (_, uid) => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a'), peer('b'))], 0);
    roster.update([{ peers: [peer('a')], unread: [{ uid, name: 'node-b' }] }], 1_000);
    expect(names(roster, 1e9)).toEqual(['node-a', 'node-b']);
    roster.update([slice(peer('a'))], 1e9);
    expect(names(roster, 1e9 + 30_000)).toEqual(['node-a']);
  });

  it('are the listed ones where a node was made anew under its name', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('old', 'node-a'))], 0);
    roster.update([slice(peer('new', 'node-a'))], 1_000);
    expect(roster.peers(1_000).map(({ peer: { uid } }) => uid)).toEqual(['new']);
  });

  it('stay for 30 s from the start of an agent that knew them before, where slices that are there do not list them', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('b'))], 1_000);
    roster.remember([peer('a'), peer('b')], 2_000);
    expect(names(roster, 31_999)).toEqual(['node-b', 'node-a']);
    expect(roster.nextChangeMs()).toBe(32_000);
    expect(names(roster, 32_000)).toEqual(['node-b']);
  });

  it('are listed ones first, whose address may have been that of one who is not listed any more', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a'))], 0);
    roster.update([slice(peer('b'), peer('c'))], 1_000);
    expect(names(roster, 1_000)).toEqual(['node-b', 'node-c', 'node-a']);
  });

  it('keep the time when they were seen first', () => {
    const roster = new PeerRoster();
    roster.update([slice(peer('a'))], 5);
    roster.update([slice({ ...peer('a'), addresses: ['10.0.0.9'] })], 6);
    expect(roster.peers(7)).toMatchObject([{ sinceMs: 5, peer: { addresses: ['10.0.0.9'] } }]);
  });
});
