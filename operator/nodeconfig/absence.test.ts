import { describe, expect, it } from 'vitest';

import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import type { NodeObject } from './observed.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf, settings } from './testing/builders.ts';

describe('absence', () => {
  it('of all nodes from the list removes nothing', () => {
    const cluster = settled();
    cluster.given = { ...cluster.given, nodes: [] };
    const before = cluster.observed();
    cluster.settle(atSecond(3_600));
    expect(cluster.observed()).toEqual({ ...before, peerings: cluster.given.peerings });
  });

  it('of a peering that is not known to be deleted leaves it on its nodes', () => {
    const cluster = settled();
    cluster.given = { ...cluster.given, peerings: [] };
    expect(cluster.settle(atSecond(3_600))).toEqual([]);
    cluster.gone = { ...cluster.gone, peerings: new Set(['office']) };
    cluster.settle(atSecond(3_601));
    expect(peeringsOf(cluster, 'node-1')).toEqual(['cluster']);
  });

  it('of a node counts when it was known to be gone for five minutes', () => {
    const cluster = settled();
    cluster.given = { ...cluster.given, nodes: cluster.given.nodes.slice(1) };
    cluster.gone = { ...cluster.gone, nodes: new Map([['uid-1', atSecond(0).milliseconds]]) };
    cluster.settle(atSecond(299));
    expect(peersOf(cluster)).toContain('node-1');
    expect(peeringsOf(cluster, 'node-1')).toEqual(['cluster', 'office']);
    const deleted = cluster
      .settle(atSecond(300))
      .flatMap((change) => (change.kind === 'delete' ? [change.object] : []));
    expect(deleted.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain('IPsecNodeConfig node-1');
    expect(deleted.some(({ kind, metadata }) => kind === 'Certificate' && metadata.name.includes('node-1'))).toBe(true);
    const rights = deleted.filter(({ metadata }) => metadata.name === 'node-node-1').map(({ kind }) => kind);
    expect(rights.toSorted()).toEqual(['Role', 'RoleBinding', 'ServiceAccount']);
    expect(peersOf(cluster)).toEqual(['node-2', 'node-3']);
  });

  it('of a node is told to its peers, which keep it and do not count it; one that is back counts again', () => {
    const cluster = settled();
    const { nodes } = cluster.given;
    cluster.given = { ...cluster.given, nodes: nodes.slice(1) };
    cluster.gone = { ...cluster.gone, nodes: new Map([['uid-1', atSecond(0).milliseconds]]) };
    cluster.settle(atSecond(1));
    const peers = () => cluster.observed().slices.flatMap((slice) => slice.peers);
    expect(peers().map(({ name, gone }) => [name, gone])).toEqual([
      ['node-1', true],
      ['node-2', undefined],
      ['node-3', undefined],
    ]);
    expect(cluster.given.peerings[0]?.status).toMatchObject({
      tunnels: { expected: 1, established: 1, encrypting: 1 },
      conditions: expect.arrayContaining([expect.objectContaining({ type: 'Encrypting', status: 'True' })]),
    });
    // The same Node, with or without what it needs to take part.
    for (const back of [nodeOf(1, { 'status.addresses': [] }), nodeOf(1)]) {
      cluster.given = { ...cluster.given, nodes: [back, ...nodes.slice(1)] };
      cluster.gone = { ...cluster.gone, nodes: new Map() };
      cluster.settle(atSecond(2));
      expect(peers().map(({ gone }) => gone)).toEqual([undefined, undefined, undefined]);
    }
  });

  it('of a node from the places for pods, as when it is cordoned, drained or not Ready, changes nothing', () => {
    const cluster = settled();
    const [, ...others] = cluster.given.nodes;
    const taints = ['node.kubernetes.io/unschedulable', 'node.kubernetes.io/not-ready'].map((key) => ({
      key,
      effect: 'NoSchedule',
    }));
    const cordoned = nodeOf(1, {
      'spec.unschedulable': true,
      'spec.taints': taints,
      'status.conditions': [{ type: 'Ready', status: 'False' }],
    });
    cluster.given = { ...cluster.given, nodes: [cordoned, ...others] };
    expect(cluster.settle(atSecond(3_600))).toEqual([]);
    expect(peersOf(cluster)).toContain('node-1');
  });

  it('of the addresses of a node keeps those that its peers know', () => {
    const cluster = settled();
    const [, ...others] = cluster.given.nodes;
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, { 'status.addresses': [] }), ...others] };
    cluster.settle(atSecond(1));
    expect(peersOf(cluster)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(peeringsOf(cluster, 'node-1')).toEqual(['cluster', 'office']);
  });

  it('of acceptance leaves running tunnels as they are', () => {
    const cluster = settled();
    const before = cluster.observed().nodeConfigs.map(({ spec }) => spec);
    // Selects nobody any more: a slip of the pen, with a condition and no other consequence.
    const peerings = [
      meshOf('cluster', { 'spec.nodes': { selector: { matchLabels: { no: 'node' } } } }),
      gatewayOf('office'),
    ];
    cluster.given = { ...cluster.given, peerings };
    cluster.settle(atSecond(1));
    expect(cluster.observed().nodeConfigs.map(({ spec }) => spec)).toEqual(before);
    expect(cluster.given.peerings[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Accepted', status: 'False', reason: 'NoNodes' }),
    );
  });

  it('of an agent takes its node from no peer, also where the slices are made anew: all were deleted, or the peering was', () => {
    const away = new Set<string>();
    const cluster = clusterOf(
      { peerings: [meshOf('cluster')], nodes: nodesOf(3) },
      { hasAgent: (name) => !away.has(name) },
    );
    cluster.settle(atSecond(0));
    away.add('node-3');
    const observed = cluster.observed();
    const anew = observed.peerings.map((peering) => ({ ...peering, metadata: { ...peering.metadata, uid: 'anew' } }));
    for (const peerings of [observed.peerings, anew]) {
      const { slices } = plan({ ...observed, peerings, slices: [] }, settings, atSecond(1));
      expect(slices.flatMap(({ peers }) => peers.map(({ name }) => name))).toEqual(['node-1', 'node-2', 'node-3']);
    }
  });

  it('of a label, as against a node, takes the node out', () => {
    const labelled = (number: number) => nodeOf(number, { 'metadata.labels': { mesh: 'yes' } });
    const peering = meshOf('cluster', { 'spec.nodes': { selector: { matchLabels: { mesh: 'yes' } } } });
    const cluster = clusterOf({ peerings: [peering], nodes: [1, 2, 3].map(labelled) });
    cluster.settle(atSecond(0));
    cluster.given = { ...cluster.given, nodes: [nodeOf(1), labelled(2), labelled(3)] };
    cluster.settle(atSecond(1));
    expect(peersOf(cluster)).toEqual(['node-2', 'node-3']);
    expect(peeringsOf(cluster, 'node-1')).toEqual([]);
  });
});

describe('a node that is re-created under its name', () => {
  it.each([
    ['another address', { 'status.addresses': [{ type: 'InternalIP', address: '192.168.9.9' }] }],
    ['its own addresses', {}],
  ])('with %s gets another key, and keeps its place with its peers until it can take the new one', (_, fields) => {
    const issuer = { works: true };
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(3) }, { issues: () => issuer.works });
    cluster.settle(atSecond(0));
    const secret = () =>
      cluster.observed().nodeConfigs.find(({ metadata }) => metadata.name === 'node-1')?.spec.peerings[0];
    const [before, places] = [secret()?.authentication.certificate?.secretName, placesOf(cluster)];
    issuer.works = false;
    const again = nodeOf(1, { 'metadata.uid': 'uid-new', ...fields });
    cluster.given = { ...cluster.given, nodes: [again, ...cluster.given.nodes.slice(1)] };
    cluster.settle(atSecond(10));
    expect(secret()?.authentication.certificate?.secretName).not.toBe(before);
    expect(placesOf(cluster)).toEqual(places);
    issuer.works = true;
    cluster.settle(atSecond(20));
    expect(
      placesOf(cluster)
        .map(({ uid }) => uid)
        .toSorted(),
    ).toEqual(['uid-2', 'uid-3', 'uid-new']);
  });

  it('without addresses, which a cloud may give it later, keeps its peerings, but not the key of before', () => {
    const cluster = settled();
    const entries = () => cluster.observed().nodeConfigs.find(({ metadata }) => metadata.name === 'node-1')?.spec;
    const secrets = () => JSON.stringify(cluster.observed().access).match(/ike-node-1-[0-9a-f]+/g);
    const [before, readable] = [entries(), secrets()];
    const [, ...others] = cluster.given.nodes;
    const again = { 'metadata.uid': 'uid-new' };
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, { ...again, 'status.addresses': [] }), ...others] };
    cluster.settle(atSecond(10));
    expect(entries()?.nodeUID).toBe('uid-new');
    expect(entries()?.peerings).toEqual(
      before?.peerings.map((entry) => ({ ...entry, authentication: expect.anything() })),
    );
    expect(secrets()).toHaveLength(1);
    expect(secrets()).not.toEqual(readable);
    expect(peersOf(cluster)).toEqual(['node-1', 'node-2', 'node-3']);
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, again), ...others] };
    cluster.settle(atSecond(20));
    expect(placesOf(cluster).map(({ uid }) => uid)).toEqual(['uid-2', 'uid-3', 'uid-new']);
  });

  it('keeps a peering that cannot be read, or is not seen, at that time, but not the key of before', () => {
    const cluster = settled();
    const observed = cluster.observed();
    const [, ...others] = observed.nodes;
    const nodes = [nodeOf(1, { 'metadata.uid': 'uid-new' }), ...others];
    const entriesIn = (planned: { readonly nodeConfigs: readonly { readonly spec: IpsecNodeConfig['spec'] }[] }) =>
      planned.nodeConfigs[0]?.spec.peerings ?? [];
    const before = entriesIn(observed);
    const planned = plan({ ...observed, nodes, peerings: [] }, settings, atSecond(10));
    expect(entriesIn(planned)).toEqual(before.map((entry) => ({ ...entry, authentication: expect.anything() })));
    const secrets = (entries: typeof before) =>
      entries.flatMap(({ authentication }) => authentication.certificate?.secretName ?? []);
    expect(secrets(before)).toHaveLength(1);
    expect(secrets(entriesIn(planned))).not.toEqual(secrets(before));
    expect(secrets(entriesIn(planned))).toHaveLength(1);
    const gone = { ...observed.gone, peerings: new Set(['cluster', 'office']) };
    expect(entriesIn(plan({ ...observed, nodes, peerings: [], gone }, settings, atSecond(10)))).toEqual([]);
  });

  it('keeps a peering whose pre-shared key cannot be used at that time', () => {
    const cluster = settled();
    const [, ...others] = cluster.given.nodes;
    const nodes = [nodeOf(1, { 'metadata.uid': 'uid-new' }), ...others];
    const { nodeConfigs } = plan({ ...cluster.observed(), nodes, preSharedKeys: new Set() }, settings, atSecond(10));
    expect(nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name))).toEqual(
      nodes.map(() => ['cluster', 'office']),
    );
  });

  it('is not lost to its peers however long cert-manager issues it nothing, unless it is selected no more', () => {
    const issuer = { works: true };
    const labelled = (number: number, fields = {}) => nodeOf(number, { 'metadata.labels': { mesh: 'yes' }, ...fields });
    const peering = meshOf('cluster', { 'spec.nodes': { selector: { matchLabels: { mesh: 'yes' } } } });
    const given = { peerings: [peering], nodes: [labelled(1), labelled(2), labelled(3)] };
    const cluster = clusterOf(given, { issues: () => issuer.works });
    cluster.settle(atSecond(0));
    issuer.works = false;
    const again = (node: NodeObject) => [node, ...cluster.given.nodes.slice(1)];
    cluster.given = { ...cluster.given, nodes: again(labelled(1, { 'metadata.uid': 'uid-new' })) };
    cluster.gone = { ...cluster.gone, nodes: new Map([['uid-1', atSecond(10).milliseconds]]) };
    cluster.settle(atSecond(3_600));
    expect(peersOf(cluster)).toEqual(['node-1', 'node-2', 'node-3']);
    cluster.given = { ...cluster.given, nodes: again(nodeOf(1, { 'metadata.uid': 'uid-new' })) };
    cluster.settle(atSecond(3_601));
    expect(peersOf(cluster)).toEqual(['node-2', 'node-3']);
  });

  it('whose Certificate is no longer used leaves no key behind', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const names = () => cluster.observed().certificates.map(({ metadata }) => metadata.name);
    const before = names();
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, { 'metadata.uid': 'uid-new' }), nodeOf(2)] };
    cluster.gone = { ...cluster.gone, nodes: new Map([['uid-1', atSecond(10).milliseconds]]) };
    cluster.settle(atSecond(10));
    expect(names()).toHaveLength(3);
    cluster.settle(atSecond(310));
    expect(names()).toHaveLength(2);
    expect(names().filter((name) => before.includes(name))).toHaveLength(1);
  });
});

function settled(): ImaginedCluster {
  const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  return cluster;
}

function peersOf(cluster: ImaginedCluster): readonly string[] {
  return cluster.observed().slices.flatMap(({ peers }) => peers.map(({ name }) => name));
}

/** Who stands in the slices, and by which addresses. */
function placesOf(
  cluster: ImaginedCluster,
): readonly { readonly uid: string; readonly addresses: readonly string[] }[] {
  return cluster.observed().slices.flatMap(({ peers }) => peers.map(({ uid, addresses }) => ({ uid, addresses })));
}

function peeringsOf(cluster: ImaginedCluster, node: string): readonly string[] {
  const config = cluster.observed().nodeConfigs.find(({ metadata }) => metadata.name === node);
  return (config?.spec.peerings ?? []).map(({ name }) => name);
}
