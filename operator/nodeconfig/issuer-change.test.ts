import { describe, expect, it } from 'vitest';

import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import type { Change } from './changes.ts';
import { certificateName } from './names.ts';
import type { WrittenObject } from './observed.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf, settings } from './testing/builders.ts';

const ISSUER = 'spec.authentication.certificate.issuerRef.name';
const TRUST = 'spec.authentication.certificate.trust';
const REQUIRED = { 'spec.enforcement': 'Required' };

describe('a change of issuer', () => {
  it('leaves nodes the certificate that they use until the new issuer has issued theirs', () => {
    const { cluster, issuers } = settled();
    const before = told(cluster);
    issuers.delete('new-ca');
    const changes = changeIssuer(cluster, 'new-ca');
    expect(told(cluster)).toEqual(before);
    expect(told(cluster)).toEqual(['mesh-ca', 'mesh-ca']);
    expect(readable(cluster)).toEqual(['mesh-ca', 'mesh-ca']);
    expect(deleted(changes)).toEqual([]);
    expect(plan({ ...cluster.observed(), secrets: secretsOf(cluster) }, settings, atSecond(11)).deletions).toEqual([]);
    // The new one is asked for meanwhile.
    expect(certificates(cluster)).toEqual(['mesh-ca', 'mesh-ca', 'new-ca', 'new-ca']);
    expect(condition(cluster, 'CertificatesReady')).toMatch(/^False .*certificates in use stay/);
    expect(condition(cluster, 'Encrypting')).toMatch(/^True/);
  });

  it('takes the old certificate away only when the agents use the new one', () => {
    const { cluster, issuers, agents } = settled();
    issuers.delete('new-ca');
    changeIssuer(cluster, 'new-ca');
    issuers.add('new-ca');
    agents.clear();
    expect(deleted(cluster.settle(atSecond(20)))).toEqual([]);
    expect(told(cluster)).toEqual(['new-ca', 'new-ca']);
    expect(readable(cluster)).toEqual(['new-ca', 'new-ca']);
    expect(certificates(cluster)).toContain('mesh-ca');
    agents.add('node-1').add('node-2');
    expect(deleted(cluster.settle(atSecond(30)))).toEqual(['mesh-ca', 'mesh-ca']);
    expect(condition(cluster, 'Ready')).toMatch(/^True/);
  });

  it('that is taken back before it was possible changes nothing on the nodes', () => {
    const { cluster, issuers } = settled();
    const configs = cluster.observed().nodeConfigs;
    issuers.delete('new-ca');
    changeIssuer(cluster, 'new-ca');
    const changes = changeIssuer(cluster, 'mesh-ca');
    expect(cluster.observed().nodeConfigs).toEqual(configs);
    expect(deleted(changes)).toEqual(['new-ca', 'new-ca']);
    expect(condition(cluster, 'Ready')).toMatch(/^True/);
  });

  it('and another one before the first was possible leave the certificate in use, and not the one between', () => {
    const { cluster, issuers } = settled();
    issuers.delete('new-ca');
    issuers.delete('other-ca');
    changeIssuer(cluster, 'new-ca');
    expect(deleted(changeIssuer(cluster, 'other-ca'))).toEqual(['new-ca', 'new-ca']);
    expect(told(cluster)).toEqual(['mesh-ca', 'mesh-ca']);
    issuers.add('other-ca');
    cluster.settle(atSecond(20));
    expect(told(cluster)).toEqual(['other-ca', 'other-ca']);
    expect(certificates(cluster)).toEqual(['other-ca', 'other-ca']);
  });

  it('waits for the certificate as it is asked for now, and for its Secret', () => {
    const { cluster, issuers } = settled();
    issuers.delete('new-ca');
    changeIssuer(cluster, 'new-ca');
    const old = secretsOf(cluster).filter(({ metadata: { name } }) => issuerOf(name) === 'mesh-ca');
    const next = (observedGeneration: number, secrets: readonly WrittenObject[]): readonly string[] => {
      const observed = cluster.observed();
      const ready = { conditions: [{ type: 'Ready', status: 'True', observedGeneration }] };
      const issued = observed.certificates.map((each) =>
        issuerOf(each.metadata.name) === 'new-ca'
          ? { ...each, metadata: { ...each.metadata, generation: 2 }, status: ready }
          : each,
      );
      const { nodeConfigs } = plan({ ...observed, secrets, certificates: issued }, settings, atSecond(20));
      return nodeConfigs.map(({ spec }) => issuerOf(spec.peerings[0]?.authentication.certificate?.secretName));
    };
    expect(next(1, secretsOf(cluster))).toEqual(['mesh-ca', 'mesh-ca']);
    expect(next(2, old)).toEqual(['mesh-ca', 'mesh-ca']);
    expect(next(2, secretsOf(cluster))).toEqual(['new-ca', 'new-ca']);
  });

  it('is told the trusted authorities at once, as a roll of the CA needs it', () => {
    const { cluster, issuers } = settled();
    issuers.delete('new-ca');
    changePeering(cluster, meshOf('cluster', { ...REQUIRED, [ISSUER]: 'new-ca', [TRUST]: bundle('both') }));
    cluster.settle(atSecond(10));
    const [entry] = cluster.observed().nodeConfigs[0]?.spec.peerings ?? [];
    expect(entry?.authentication.certificate).toMatchObject({ trust: { name: 'both' } });
    expect(told(cluster)).toEqual(['mesh-ca', 'mesh-ca']);
  });

  it('does not keep a node out of a mesh whose agent comes meanwhile, with the certificate in use', () => {
    const { cluster, issuers, agents } = settled(['node-1']);
    issuers.delete('new-ca');
    changeIssuer(cluster, 'new-ca');
    agents.add('node-2');
    cluster.settle(atSecond(20));
    expect(cluster.observed().slices.flatMap(({ peers }) => peers.map(({ name }) => name))).toEqual([
      'node-1',
      'node-2',
    ]);
  });

  it('of one peering holds up none of another of the same node', () => {
    const issuers = new Set(['mesh-ca']);
    const gateway = (issuer: string) =>
      gatewayOf('office', { 'spec.authentication': { certificate: { issuerRef: { name: issuer } } } });
    const cluster = clusterOf(
      { peerings: [meshOf('cluster'), gateway('mesh-ca')], nodes: nodesOf(1) },
      { issues: (issuer) => issuers.has(issuer) },
    );
    cluster.settle(atSecond(0));
    issuers.add('new-ca');
    changePeering(cluster, meshOf('cluster', { [ISSUER]: 'nobody' }));
    changePeering(cluster, gateway('new-ca'));
    cluster.settle(atSecond(10));
    expect(told(cluster)).toEqual(['mesh-ca new-ca']);
    expect(readable(cluster)).toEqual(['mesh-ca new-ca']);
    expect(certificates(cluster)).toEqual(['mesh-ca', 'new-ca', 'nobody']);
    issuers.add('nobody');
    cluster.settle(atSecond(20));
    expect(told(cluster)).toEqual(['nobody new-ca']);
    expect(certificates(cluster)).toEqual(['new-ca', 'nobody']);
  });
});

it('a peering whose nodes are to prove themselves by a pre-shared key does so at once, and leaves no certificate', () => {
  const byCertificate = { 'spec.authentication': { certificate: { issuerRef: { name: 'mesh-ca' } } } };
  const cluster = clusterOf({ peerings: [gatewayOf('office', byCertificate)], nodes: nodesOf(1) });
  cluster.settle(atSecond(0));
  expect(certificates(cluster)).toEqual(['mesh-ca']);
  changePeering(cluster, gatewayOf('office'));
  cluster.settle(atSecond(10));
  expect(cluster.observed().nodeConfigs[0]?.spec.peerings[0]?.authentication).toMatchObject({
    preSharedKey: { name: 'office-psk' },
  });
  expect(certificates(cluster)).toEqual([]);
});

/** A mesh of two nodes that is Required and Ready; sets say which issuers issue and which nodes have an agent. */
function settled(withAgents: readonly string[] = ['node-1', 'node-2']) {
  const issuers = new Set(['mesh-ca', 'new-ca', 'other-ca']);
  const agents = new Set(withAgents);
  const cluster = clusterOf(
    { peerings: [meshOf('cluster', REQUIRED)], nodes: nodesOf(2) },
    { issues: (issuer) => issuers.has(issuer), hasAgent: (name) => agents.has(name) },
  );
  cluster.settle(atSecond(0));
  return { cluster, issuers, agents };
}

function changeIssuer(cluster: ImaginedCluster, issuer: string): readonly Change[] {
  changePeering(cluster, meshOf('cluster', { ...REQUIRED, [ISSUER]: issuer }));
  return cluster.settle(atSecond(10));
}

function changePeering(cluster: ImaginedCluster, { spec, metadata: { name } }: IpsecPeering): void {
  const peerings = cluster.given.peerings.map((each) => (each.metadata.name === name ? { ...each, spec } : each));
  cluster.given = { ...cluster.given, peerings };
}

/** Issuers of the certificates that each node is told of. */
function told(cluster: ImaginedCluster): readonly string[] {
  return cluster
    .observed()
    .nodeConfigs.map(({ spec }) =>
      spec.peerings.map(({ authentication }) => issuerOf(authentication.certificate?.secretName)).join(' '),
    );
}

/** Issuers of the certificates that the agent of each node may read. */
function readable(cluster: ImaginedCluster): readonly string[] {
  const roles = cluster.observed().access.filter((object): object is Role => object.kind === 'Role');
  return roles.map(({ rules }) => (rules[0]?.resourceNames ?? []).map(issuerOf).toSorted().join(' '));
}

interface Role extends WrittenObject {
  readonly rules: readonly { readonly resourceNames: readonly string[] }[];
}

function certificates(cluster: ImaginedCluster): readonly string[] {
  return cluster
    .observed()
    .certificates.map(({ metadata }) => issuerOf(metadata.name))
    .toSorted();
}

/** The Secrets that cert-manager makes. */
function secretsOf(cluster: ImaginedCluster): readonly WrittenObject[] {
  return cluster.observed().certificates.map(({ metadata: { name, namespace, labels } }) => {
    return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, labels, uid: `secret-${name}` } };
  });
}

function deleted(changes: readonly Change[]): readonly string[] {
  return changes.flatMap((change) => (change.kind === 'delete' ? [issuerOf(change.object.metadata.name)] : []));
}

function condition(cluster: ImaginedCluster, type: string): string {
  const found = cluster.given.peerings[0]?.status?.conditions?.find((each) => each.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
}

function bundle(name: string) {
  return { configMapRef: { name } };
}

/** The issuer that a certificate of these tests is of. */
function issuerOf(secretName: string | undefined): string {
  const found = ['mesh-ca', 'new-ca', 'other-ca', 'nobody'].find((name) =>
    nodesOf(2).some(({ metadata: { name: node, uid = '' } }) => {
      return certificateName({ name: node, uid }, { group: 'cert-manager.io', kind: 'Issuer', name }) === secretName;
    }),
  );
  return found ?? `not known: ${secretName}`;
}
