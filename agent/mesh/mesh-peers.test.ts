import { describe, expect, it } from 'vitest';

import { address, fqdn } from '../ike/testing/pair.ts';
import { type MeshNode, meshPeers } from './mesh-peers.ts';

function node(name: string, ...addresses: readonly string[]): MeshNode {
  return { name, identity: fqdn(`${name}.mesh.test`), addresses: addresses.map(address) };
}

const A = node('a', '10.0.0.1', 'fd00::1');
const B = node('b', '10.0.0.2', 'fd00::2');
const C = node('c', '10.0.0.3');

describe('the peers of a node of a mesh', () => {
  it('are all others, by each family that both have, under names that another family would not change', () => {
    const { peers, conflicts } = meshPeers(A, [A, B, C]);
    expect(conflicts).toEqual([]);
    expect(peers.map(({ name, localAddress, remoteAddress }) => [name, localAddress, remoteAddress])).toEqual([
      ['b-ipv4', '10.0.0.1', '10.0.0.2'],
      ['b-ipv6', 'fd00::1', 'fd00::2'],
      ['c-ipv4', '10.0.0.1', '10.0.0.3'],
    ]);
  });

  it('are the same where the node itself does not stand in the list', () => {
    expect(meshPeers(A, [B, C]).peers.map(({ name }) => name)).toEqual(['b-ipv4', 'b-ipv6', 'c-ipv4']);
  });

  it('are found at both ends of every pair, so that nobody waits for a peer that does not know it', () => {
    const nodes = [A, B, C, node('d', 'fd00::4')];
    const pairs = nodes.flatMap((own) =>
      meshPeers(own, nodes).peers.map(({ localAddress, remoteAddress }) => `${localAddress} ${remoteAddress}`),
    );
    const reversed = pairs.map((pair) => pair.split(' ').reverse().join(' '));
    expect(pairs.toSorted()).toEqual(reversed.toSorted());
  });

  it.each([
    ['a name', [B, { ...C, name: 'b' }], 'name', '"b" is that of b (node 1 of the list) already'],
    [
      'an identity',
      [B, { ...C, identity: B.identity }],
      'identity',
      'b.mesh.test is that of b (node 1 of the list) already',
    ],
    [
      'an address',
      [B, { ...C, addresses: [address('10.0.0.2')] }],
      'addresses',
      '10.0.0.2 is that of b (node 1 of the list) already',
    ],
    [
      'an address of this node',
      [B, { ...C, addresses: [address('10.0.0.1')] }],
      'addresses',
      '10.0.0.1 is that of this node already',
    ],
  ] as const)('do not include a second node that claims %s, but the first', (_, nodes, field, text) => {
    const { peers, conflicts } = meshPeers(A, nodes);
    expect(conflicts).toEqual([{ index: 1, field, text }]);
    expect(new Set(peers.map(({ index }) => index))).toEqual(new Set([0]));
  });

  it('do not include a node with two addresses of one family, of which nobody could say which is meant', () => {
    const { peers, conflicts } = meshPeers(A, [node('d', '10.0.0.4', '10.0.0.5')]);
    expect([peers, conflicts]).toEqual([
      [],
      [{ index: 0, field: 'addresses', text: 'has several of IPv4: a node of a mesh has one' }],
    ]);
  });

  it('are reached by link-local addresses over the same interface only', () => {
    const own = node('a', 'fe80::1%eth0');
    const { peers, conflicts } = meshPeers(own, [node('d', 'fe80::2%eth0'), node('e', 'fe80::2%eth1')]);
    expect(peers.map(({ remoteAddress }) => remoteAddress)).toEqual(['fe80::2%eth0']);
    expect(conflicts).toEqual([
      {
        index: 1,
        field: 'addresses',
        text: 'fe80::2%eth1 cannot be reached from fe80::1%eth0: give both an address of one family, link-local ones with the same interface',
      },
    ]);
  });

  it('do not include a node that no address of ours can reach, and say so', () => {
    expect(meshPeers(C, [node('d', 'fd00::4')]).conflicts).toEqual([
      {
        index: 0,
        field: 'addresses',
        text: 'fd00::4 cannot be reached from 10.0.0.3: give both an address of one family',
      },
    ]);
  });
});
