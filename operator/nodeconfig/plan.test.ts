import { describe, expect, it } from 'vitest';
import { ipsecNodeConfig } from '../api/ipsec-node-config.ts';
import { ipsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import { readObject } from '../api/read-object.ts';
import type { Change } from './changes.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodeOf, nodesOf, settings } from './testing/builders.ts';

describe('a plan', () => {
  it('makes objects that the API accepts, for a mesh and a gateway over two families', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(3) });
    cluster.settle(atSecond(0));
    const { nodeConfigs, slices } = cluster.observed();
    for (const config of nodeConfigs) expect(readObject(ipsecNodeConfig, config)).toMatchObject({ ok: true });
    for (const slice of slices) expect(readObject(ipsecPeerSlice, slice)).toMatchObject({ ok: true });
    expect(nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name))).toEqual(
      [1, 2, 3].map(() => ['cluster', 'office']),
    );
    expect(
      slices.map(({ peering, peers }) => [peering, peers.map(({ name, addresses }) => [name, addresses])]),
    ).toEqual([['cluster', [1, 2, 3].map((n) => [`node-${n}`, [`192.168.0.${n}`, `fd00::${n}`]])]]);
  });

  it('tells nodes of each peering what its rollout ends with, so that one on its way is no Permissive one', () => {
    const pods = { 'spec.traffic': { scope: 'Pods', mode: 'Tunnel' } };
    const peerings = [meshOf('a', { 'spec.enforcement': 'Required' }), meshOf('b', pods)];
    const cluster = clusterOf({ peerings, nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const [config] = cluster.observed().nodeConfigs;
    expect(config?.spec.peerings.map(({ finalEnforcement }) => finalEnforcement)).toEqual(['Required', 'Permissive']);
  });

  it('is the same in whatever order things were observed', () => {
    const cluster = clusterOf({ peerings: [meshOf('a'), meshOf('b', { 'spec.priority': 1 })], nodes: nodesOf(150) });
    cluster.settle(atSecond(0));
    const observed = cluster.observed();
    const reversed = {
      ...observed,
      peerings: observed.peerings.toReversed(),
      nodeConfigs: observed.nodeConfigs.toReversed(),
      slices: observed.slices.toReversed(),
      certificates: observed.certificates.toReversed(),
    };
    expect(plan(reversed, settings, atSecond(1))).toEqual(plan(observed, settings, atSecond(1)));
  });

  it('writes nothing more when everything is as planned', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster'), gatewayOf('office')], nodes: nodesOf(5) });
    cluster.settle(atSecond(0));
    expect(cluster.settle(atSecond(600))).toEqual([]);
  });

  it.each([2, 50, 500])('costs a node that joins %i others seven writes, none of them to the others', (count) => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(count) });
    cluster.settle(atSecond(0));
    cluster.given = { ...cluster.given, nodes: [...cluster.given.nodes, nodeOf(count + 1)] };
    const changes = cluster.settle(atSecond(60));
    const objects = changes.flatMap((change) => (change.kind === 'apply' ? [change.object] : []));
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      'Certificate',
      'IPsecNodeConfig',
      'IPsecPeerSlice',
      'Role',
      'RoleBinding',
      'ServiceAccount',
    ]);
    expect(objects.filter(({ kind }) => kind === 'IPsecNodeConfig').map(({ metadata }) => metadata.name)).toEqual([
      `node-${count + 1}`,
    ]);
  });

  it('applies to what it saw before by UID, so that a deleted object is not made anew', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) });
    expect(appliesTo(cluster.settle(atSecond(0)), 'IPsecNodeConfig')[0]).toMatchObject({ uid: undefined });
    const before = cluster.observed().nodeConfigs.find(({ metadata }) => metadata.name === 'node-1');
    cluster.given = { ...cluster.given, nodes: [nodeOf(1, { 'spec.podCIDRs': ['10.9.9.0/24'] }), nodeOf(2)] };
    const [again] = appliesTo(cluster.settle(atSecond(1)), 'IPsecNodeConfig');
    expect(again).toMatchObject({ uid: before?.metadata.uid, object: { spec: { podCIDRs: ['10.9.9.0/24'] } } });
  });

  it('asks cert-manager for a new key each time, without common name, by the identity that peers expect', () => {
    const fields = { 'spec.authentication.certificate.privateKey': { algorithm: 'RSA' } };
    const cluster = clusterOf({ peerings: [meshOf('cluster', fields)], nodes: nodesOf(1) });
    cluster.settle(atSecond(0));
    const { certificates, nodeConfigs } = cluster.observed();
    expect(certificates[0]).toMatchObject({
      metadata: {
        namespace: 'ikemesh-nodes',
        labels: { 'ikemesh.io/node-uid': 'uid-1' },
        ownerReferences: [{ kind: 'IPsecNodeConfig', uid: nodeConfigs[0]?.metadata.uid }],
      },
      spec: {
        dnsNames: [nodeConfigs[0]?.spec.identity.fqdn],
        privateKey: { algorithm: 'RSA', size: 3072, rotationPolicy: 'Always' },
        usages: ['digital signature', 'ipsec tunnel'],
        issuerRef: { name: 'mesh-ca', kind: 'Issuer', group: 'cert-manager.io' },
      },
    });
    expect(certificates[0]?.spec).not.toHaveProperty('commonName');
  });

  it('gives a node of two meshes with one issuer one certificate, of two issuers two', () => {
    const names = (other: string): readonly string[] => {
      const second = meshOf('b', { 'spec.authentication.certificate.issuerRef.name': other });
      const cluster = clusterOf({
        peerings: [meshOf('a', { 'spec.priority': 1 }), second],
        nodes: [nodeOf(1), nodeOf(2)],
      });
      cluster.settle(atSecond(0));
      return cluster.observed().certificates.map(({ metadata }) => metadata.name);
    };
    expect(names('mesh-ca')).toHaveLength(2);
    // The second mesh is about the same traffic; with nodes of its own it has certificates of its own.
    const [one, two] = [{ matchLabels: { mesh: 'a' } }, { matchLabels: { mesh: 'b' } }];
    const peerings = [
      meshOf('a', { 'spec.nodes': { selector: one } }),
      meshOf('b', { 'spec.nodes': { selector: two }, 'spec.authentication.certificate.issuerRef.name': 'other' }),
    ];
    const nodes = [nodeOf(1, { 'metadata.labels': { mesh: 'a' } }), nodeOf(2, { 'metadata.labels': { mesh: 'b' } })];
    const cluster = clusterOf({ peerings, nodes });
    cluster.settle(atSecond(0));
    expect(cluster.observed().certificates.map(({ spec }) => spec)).toMatchObject([
      { issuerRef: { name: 'mesh-ca' } },
      { issuerRef: { name: 'other' } },
    ]);
  });

  it('lets a node read its own Secret and nothing else', () => {
    const trust = { configMapRef: { name: 'bundle' } };
    const peerings = [meshOf('cluster', { 'spec.authentication.certificate.trust': trust }), gatewayOf('office')];
    const cluster = clusterOf({ peerings, nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const { access, nodeConfigs } = cluster.observed();
    const role = access.find(({ kind, metadata }) => kind === 'Role' && metadata.name === 'node-node-1');
    const own = nodeConfigs[0]?.spec.peerings[0]?.authentication.certificate?.secretName;
    expect(role).toMatchObject({
      rules: [
        { resources: ['secrets'], resourceNames: [own, 'office-psk'], verbs: ['get', 'list', 'watch'] },
        { resources: ['configmaps'], resourceNames: ['bundle'], verbs: ['get', 'list', 'watch'] },
      ],
    });
    const binding = access.find(({ kind, metadata }) => kind === 'RoleBinding' && metadata.name === 'node-node-1');
    expect(binding).toMatchObject({ roleRef: { name: 'node-node-1' }, subjects: [{ name: 'node-node-1' }] });
  });

  it('lets a node into a slice only when its agent has loaded its certificate', () => {
    const withAgents = new Set(['node-1', 'node-2']);
    const cluster = clusterOf(
      { peerings: [meshOf('cluster')], nodes: nodesOf(3) },
      { hasAgent: (name) => withAgents.has(name) },
    );
    cluster.settle(atSecond(0));
    const peers = (): readonly string[] =>
      cluster.observed().slices.flatMap((slice) => slice.peers.map(({ name }) => name));
    expect(peers()).toEqual(['node-1', 'node-2']);
    withAgents.add('node-3');
    cluster.settle(atSecond(1));
    expect(peers()).toEqual(['node-1', 'node-2', 'node-3']);
    // An agent that is down for a while does not take its node out.
    withAgents.clear();
    cluster.settle(atSecond(2));
    expect(peers()).toEqual(['node-1', 'node-2', 'node-3']);
  });

  it('does not believe a status that another Pod wrote', () => {
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const observed = {
      ...cluster.observed(),
      agentPods: new Map([
        ['node-1', 'another'],
        ['node-2', 'another'],
      ]),
    };
    const status = plan(observed, settings, atSecond(1)).statuses.get('cluster');
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Programmed', status: 'False', reason: 'AgentsBehind' }),
    );
  });

  it('leaves nodes that do not run Linux alone, and says so where nothing else is left', () => {
    const windows = nodeOf(1, { 'status.nodeInfo.operatingSystem': 'windows' });
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: [windows] });
    cluster.settle(atSecond(0));
    expect(cluster.observed().nodeConfigs).toEqual([]);
    expect(cluster.given.peerings[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Accepted',
        reason: 'NoNodes',
        message: expect.stringContaining('do not run Linux'),
      }),
    );
  });

  it('keeps the time of a condition that stays, and sets that of one that changes', () => {
    const agents = { there: true };
    const cluster = clusterOf({ peerings: [meshOf('cluster')], nodes: nodesOf(2) }, { hasAgent: () => agents.there });
    cluster.settle(atSecond(0));
    agents.there = false;
    cluster.settle(atSecond(100));
    const times = Object.fromEntries(
      (cluster.given.peerings[0]?.status?.conditions ?? []).map(({ type, lastTransitionTime }) => [
        type,
        lastTransitionTime,
      ]),
    );
    expect(times).toMatchObject({
      Accepted: atSecond(0).timestamp,
      Programmed: atSecond(100).timestamp,
      Ready: atSecond(100).timestamp,
    });
  });
});

function appliesTo(changes: readonly Change[], kind: string) {
  return changes.flatMap((change) => (change.kind === 'apply' && change.object.kind === kind ? [change] : []));
}
