import { describe, expect, it } from 'vitest';

import { type Claimant, lostClaims } from './claims.ts';
import { atSecond, clusterOf, meshOf, nodeOf } from './testing/builders.ts';

function claimant(name: string, networks: readonly string[], since = 0, established = false): Claimant {
  return { name, networks, since, established };
}

describe('networks that two nodes claim', () => {
  it.each([
    ['one address', '192.0.2.1/32', '192.0.2.1/32'],
    ['one inside the other', '10.0.0.0/8', '10.1.0.0/16'],
    ['the other way round', '10.1.0.0/16', '10.0.0.0/8'],
    ['IPv6', '2001:db8::/64', '2001:db8::/48'],
  ])('stay with the older: %s', (_, first, second) => {
    const lost = lostClaims([claimant('young', [second], 2), claimant('old', [first], 1)]);
    expect(lost).toEqual(new Map([['young', [{ network: second, owner: 'old' }]]]));
  });

  it('stay with who is known to its peers, before who is older, before who sorts first', () => {
    const network = ['192.0.2.1/32'];
    expect([...lostClaims([claimant('a', network, 1), claimant('b', network, 2, true)]).keys()]).toEqual(['a']);
    expect([...lostClaims([claimant('b', network, 1), claimant('a', network, 1)]).keys()]).toEqual(['b']);
  });

  it('are lost to nobody where they only touch', () => {
    const claims = [claimant('a', ['10.0.0.0/24', '::/96']), claimant('b', ['10.0.1.0/24', '0.0.0.0/32'])];
    expect(lostClaims(claims)).toEqual(new Map());
  });

  it('go back to the third when the second loses its own', () => {
    // b loses to a, so c, inside of b alone, keeps what it has.
    const claims = [
      claimant('a', ['10.0.0.0/16'], 1),
      claimant('b', ['10.0.0.0/8'], 2),
      claimant('c', ['10.9.0.0/16'], 3),
    ];
    expect(lostClaims(claims)).toEqual(new Map([['b', [{ network: '10.0.0.0/8', owner: 'a' }]]]));
  });

  it('are settled for five thousand nodes that all claim one', () => {
    const claims = Array.from({ length: 5_000 }, (_, index) => claimant(`node-${index}`, ['192.0.2.1/32'], index));
    expect(lostClaims(claims).size).toBe(4_999);
  });

  it('leave the second node out of its mesh, and a condition says whose address it is', () => {
    const twin = nodeOf(3, { 'status.addresses': [{ type: 'InternalIP', address: '192.168.0.1' }] });
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: [nodeOf(1), nodeOf(2), twin] });
    cluster.settle(atSecond(0));
    expect(cluster.observed().slices[0]?.peers.map(({ name }) => name)).toEqual(['node-1', 'node-2']);
    expect(cluster.given.peerings[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Programmed',
        reason: 'NodesUnsuitable',
        message: 'node node-3 claims 192.168.0.1, which node node-1 had first: correct one of them',
      }),
    );
  });

  it('move to a node that is there from one that is gone', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: [nodeOf(1), nodeOf(2)] });
    cluster.settle(atSecond(0));
    const successor = nodeOf(3, { 'status.addresses': [{ type: 'InternalIP', address: '192.168.0.1' }] });
    cluster.given = { ...cluster.given, nodes: [nodeOf(2), successor] };
    cluster.settle(atSecond(1));
    const addresses = cluster.observed().slices[0]?.peers.map((peer) => [peer.name, peer.addresses]);
    expect(addresses).toEqual([
      ['node-1', ['fd00::1']],
      ['node-2', ['192.168.0.2', 'fd00::2']],
      ['node-3', ['192.168.0.1']],
    ]);
  });
});
