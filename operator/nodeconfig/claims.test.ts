import { describe, expect, it } from 'vitest';

import { type Claimant, lostClaims } from './claims.ts';
import { atSecond, clusterOf, meshOf, nodeOf, nodesOf } from './testing/builders.ts';

function claimant(name: string, networks: readonly string[], since = 0, established: readonly string[] = []): Claimant {
  return {
    name,
    networks: networks.map((network) => ({ network, established: established.includes(network) })),
    since,
  };
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

  it('stay with who is known to its peers by them, before who is older, before who sorts first', () => {
    const network = ['192.0.2.1/32'];
    expect([...lostClaims([claimant('a', network, 1), claimant('b', network, 2, network)]).keys()]).toEqual(['a']);
    expect([...lostClaims([claimant('b', network, 1), claimant('a', network, 1)]).keys()]).toEqual(['b']);
  });

  it('do not go to who is older and known to its peers by another, which it keeps', () => {
    const claims = [
      claimant('a', ['192.0.2.1/32', '192.0.2.2/32'], 1, ['192.0.2.1/32']),
      claimant('b', ['192.0.2.2/32'], 2, ['192.0.2.2/32']),
    ];
    expect(lostClaims(claims)).toEqual(new Map([['a', [{ network: '192.0.2.2/32', owner: 'b' }]]]));
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

  it.each([
    [
      'the only address of its family',
      { 'status.addresses': ['192.168.0.3', 'fd00::1'].map((address) => ({ type: 'InternalIP', address })) },
      'Nodes',
      'node node-3 takes part without fd00::1, which node node-1 had first: correct one of them',
    ],
    [
      'a pod CIDR',
      { spec: { podCIDRs: ['10.0.3.0/24', 'fd01:0:0:1::/64'] } },
      'Pods',
      'node node-3 takes part without fd01:0:0:1::/64, which node node-1 had first: correct one of them',
    ],
  ])('say it in a condition where a node takes part without %s', (_, fields, scope, message) => {
    const mesh = meshOf('cluster', { 'spec.traffic': { scope } });
    const cluster = clusterOf({ peerings: [mesh], nodes: [nodeOf(1), nodeOf(2), nodeOf(3, fields)] });
    cluster.settle(atSecond(0));
    cluster.settle(atSecond(90));
    expect(cluster.given.peerings[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Programmed', status: 'False', reason: 'NetworksClaimed', message }),
    );
  });

  it('say nothing where a node has another address of the family: one is enough', () => {
    const addresses = ['192.168.0.3', '192.168.0.1'].map((address) => ({ type: 'InternalIP', address }));
    const nodes = [nodeOf(1), nodeOf(2), nodeOf(3, { 'status.addresses': addresses })];
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes });
    cluster.settle(atSecond(0));
    cluster.settle(atSecond(90));
    const conditions = cluster.given.peerings[0]?.status?.conditions;
    expect(conditions?.find(({ type }) => type === 'Programmed')?.reason).not.toBe('NetworksClaimed');
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

describe('the oldest node of a mesh that requires encryption', () => {
  const others = [2, 3, 4];
  const addressesOf = (number: number) => [`192.168.0.${number}`, `fd00::${number}`];
  const claiming = (numbers: readonly number[]) => ({
    'status.addresses': numbers.flatMap(addressesOf).map((address) => ({ type: 'InternalIP', address })),
  });

  /** A mesh that is at work, and then the oldest node of it says something else of itself. */
  function afterwards(fields: Record<string, unknown>, rest = others.map((number) => nodeOf(number)), scope = 'Nodes') {
    const mesh = meshOf('cluster', { 'spec.enforcement': 'Required', 'spec.traffic': { scope } });
    const cluster = clusterOf({ peerings: [mesh], nodes: nodesOf(4) });
    cluster.settle(atSecond(0));
    const peers = () => cluster.observed().slices.flatMap((slice) => slice.peers);
    const before = peers();
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, fields), ...rest] };
    cluster.settle(atSecond(10));
    return { before, after: peers(), conditions: cluster.given.peerings[0]?.status?.conditions };
  }

  it.each([
    ['after its own', [1, ...others]],
    ['before its own', [...others, 1]],
  ])(
    'loses only what it claims beyond its own: all stay in the mesh with theirs, if it names others %s',
    (_, claims) => {
      const { before, after } = afterwards(claiming(claims));
      expect(after).toEqual(before);
      expect(after.map(({ addresses }) => addresses)).toEqual([1, ...others].map(addressesOf));
    },
  );

  it('does not take the place of a node by its address: it is set aside, and a condition says whose that is', () => {
    const { before, after, conditions } = afterwards(claiming([3]));
    expect(after).toEqual(before);
    expect(conditions).toContainEqual(
      expect.objectContaining({
        reason: 'NodesUnsuitable',
        message: 'node node-1 claims 192.168.0.3, which node node-3 had first: correct one of them',
      }),
    );
  });

  it.each([
    ['those of another', ['10.0.3.0/24', 'fd01:0:0:3::/64']],
    ['all, as one large network', ['10.0.0.0/16']],
  ])('takes the pods of no node by claiming their pod CIDRs: %s', (_, podCidrs) => {
    const { before, after } = afterwards({ spec: { podCIDRs: podCidrs } }, undefined, 'Pods');
    expect(after).toEqual(before);
  });

  it('does not take the address of a node that is made again under its name meanwhile', () => {
    const again = nodeOf(3, { 'metadata.uid': 'uid-new' });
    const { after } = afterwards(claiming([1, 3]), [nodeOf(2), again, nodeOf(4)]);
    const places = after.map(({ uid, addresses }) => [uid, addresses]);
    expect(places).toHaveLength(4);
    expect(places).toContainEqual(['uid-1', addressesOf(1)]);
    expect(places).toContainEqual(['uid-new', addressesOf(3)]);
  });

  it('is found by its new address where that changes and is claimed by nobody else', () => {
    const { before, after } = afterwards(claiming([9]));
    expect(after).toEqual([{ ...before[0], addresses: addressesOf(9) }, ...before.slice(1)]);
  });
});
