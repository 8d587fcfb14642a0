import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { customResourceDefinition } from '../api/crd.ts';
import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import { ipsecPeering } from '../api/ipsec-peering.ts';
import { gatewayManifest, type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { joinNode, reportAs } from '../testing/cluster-nodes.ts';
import { installedObjects } from '../testing/installed-objects.ts';
import { type AnyObject, OperatorCluster, PLACES, PREFIX, until } from '../testing/operator-cluster.ts';
import { RunningOperator } from '../testing/running-operator.ts';

/** What nodes are told, but for when each peering came to be. */
function withoutAges(configs: readonly Pick<IpsecNodeConfig, 'spec'>[]) {
  return configs.map(({ spec, ...config }) => ({
    ...config,
    spec: { ...spec, peerings: spec.peerings.map(({ creationTimestamp: _, ...peering }) => peering) },
  }));
}

describe('an operator that does not see what was there', () => {
  let cluster: OperatorCluster;
  let running: RunningOperator;
  const pods = new Map<string, string>();

  beforeAll(async () => {
    cluster = await OperatorCluster.start({});
    for (const number of [1, 2]) pods.set(`node-${number}`, await joinNode(cluster, number));
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'office-psk', namespace: PLACES.nodesNamespace },
      type: 'ikemesh.io/pre-shared-key',
      stringData: { psk: 'secret' },
    } as AnyObject);
    running = await RunningOperator.start(cluster);
  });
  afterAll(async () => {
    await running?.stop();
    await cluster?.close();
  });

  const apply = (manifest: Manifest) => cluster.apply(manifest as unknown as AnyObject);
  const state = async () => ({
    configs: (await cluster.nodeConfigs()).map(({ metadata: { name, uid }, spec }) => ({ name, uid, spec })),
    slices: (await cluster.slices()).map(({ metadata: { name, uid }, peers }) => ({ name, uid, peers })),
    accounts: (await cluster.list<AnyObject>('Role', PLACES.nodesNamespace)).map(({ metadata }) => metadata.uid),
  });
  /** Ten minutes later, and a while for whatever the operator would do: that it does nothing has no sign of its own. */
  const later = async () => {
    running.forward(600);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
  };
  const ready = (peering: string) =>
    until(`nodes are told of ${peering}`, async () => {
      const configs = await cluster.nodeConfigs();
      const told = configs.filter(({ spec }) => spec.peerings.some(({ name }) => name === peering));
      return told.length === 2 || configs.length;
    });

  it('says that cert-manager is missing, and what to do, and goes on without', async () => {
    await apply(meshManifest);
    await apply(gatewayManifest);
    running.forward(61);
    await Promise.all([ready('cluster'), ready('office')]);
    await until('the condition says so', async () => {
      const said = await cluster.condition('cluster', 'CertificatesReady');
      return /^False CertManagerMissing: .*install cert-manager/.test(said) || said;
    });
    expect(await cluster.condition('office', 'CertificatesReady')).toMatch(/^True NotNeeded/);
    // A certificate from elsewhere brings its node into the slice.
    for (const { metadata, spec } of await cluster.nodeConfigs()) {
      const name = spec.peerings.find((each) => each.name === 'cluster')?.authentication.certificate?.secretName;
      await cluster.apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: name ?? '', namespace: PLACES.nodesNamespace },
      });
      await reportAs(cluster, metadata.name, pods.get(metadata.name) ?? '');
    }
    await until('both are in the slice', async () => (await cluster.slices())[0]?.peers.length === 2);
    await until('everything is written', async () => running.operator.isSettled);
  });

  it('tears nothing down when it may no longer read', async () => {
    const before = await state();
    const installed = await installedObjects(PREFIX, PLACES.ownNamespace);
    const role = installed.find(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === `${PREFIX}-operator`,
    );
    if (role === undefined) throw new Error('the chart installs no ClusterRole of the operator');
    await cluster.apply({ ...role, rules: [] });
    await running.breakConnections();
    await until('it is refused', async () => running.logged.some((line) => line.includes('Nodes may not be read')));
    await later();
    expect(await state()).toEqual(before);
    await cluster.apply(role);
    running.logged.length = 0;
    await until('it watches again', async () =>
      running.logged.some((line) => line.includes('"kind":"IPsecPeerings","msg":"watching"')),
    );
    await later();
    expect(await state()).toEqual(before);
  });

  it('tears nothing down when the API server crashes and is started again', async () => {
    const before = await state();
    const server = cluster.controlPlane.component('kube-apiserver');
    await server.kill();
    await server.start(new AbortController().signal);
    await until('it leads and knows everything', async () => {
      return (running.operator.leads && running.operator.unready === undefined) || running.operator.unready;
    });
    await later();
    expect(await state()).toEqual(before);
  });

  it('tears nothing down when the kind of the peerings is deleted, nor when its list is empty afterwards', async () => {
    const before = await state();
    const definition = customResourceDefinition(ipsecPeering);
    await cluster.remove('CustomResourceDefinition', definition.metadata.name);
    await until('the peerings went with it', async () => {
      return (await cluster.find('CustomResourceDefinition', definition.metadata.name)) === undefined;
    });
    await later();
    // Garbage collection, which takes the slices of a deleted peering, does not run here.
    expect(await state()).toEqual(before);
    await cluster.apply(definition as unknown as AnyObject);
    await until('the kind is served', async () => {
      const { ok } = await cluster.admin.ask({ method: 'GET', path: '/apis/ikemesh.io/v1alpha1/ipsecpeerings' });
      return ok;
    });
    await later();
    expect(await state()).toEqual(before);
    await apply(gatewayManifest);
    await until('it is judged again', async () => /^True/.test(await cluster.condition('office', 'Accepted')));
    // It is another one, and so younger; nothing else is otherwise.
    expect(withoutAges((await state()).configs)).toEqual(withoutAges(before.configs));
  });

  it('takes from its nodes what was deleted while no operator ran, and not what went with the definition', async () => {
    const told = async () =>
      (await cluster.nodeConfigs()).map(({ spec }) => spec.peerings.map(({ name }) => name).join());
    expect(await told()).toEqual(['cluster,office', 'cluster,office']);
    await running.stop();
    await cluster.remove('IPsecPeering', 'office');
    running = await RunningOperator.start(cluster);
    await until('nodes are not told of it any more', async () => (await told()).join(' ') === 'cluster cluster');
    await until('it says why the other one stays', async () =>
      running.logged.some((line) => line.includes('peering cluster went with an earlier definition')),
    );
    await later();
    expect(await told()).toEqual(['cluster', 'cluster']);
    await apply(meshManifest);
    const creationTimestamp = (await cluster.peering('cluster'))?.metadata.creationTimestamp;
    expect(creationTimestamp).toBeDefined();
    await until('nodes are told of the one that was made anew', async () =>
      (await cluster.nodeConfigs()).every(({ spec }) => spec.peerings[0]?.creationTimestamp === creationTimestamp),
    );
    await running.stop();
    await cluster.remove('IPsecPeering', 'cluster');
    running = await RunningOperator.start(cluster);
    await until('nodes are told of nothing', async () => (await told()).join('') === '');
  });

  it('gives agents no rights while the policy that confines them is not in force', async () => {
    expect(await cluster.find('ClusterRoleBinding', PLACES.agentAccount)).toBeDefined();
    await running.stop();
    await cluster.remove('ClusterRoleBinding', PLACES.agentAccount);
    await cluster.remove('ValidatingAdmissionPolicyBinding', PLACES.agentAccount);
    const { admin } = cluster;
    await until('the policy is out of force', async () => {
      const body = {
        apiVersion: 'ikemesh.io/v1alpha1',
        kind: 'IPsecNodeConfig',
        metadata: { name: 'ikemesh-policy-probe' },
      };
      const spec = { nodeUID: 'x', identity: { fqdn: 'probe.invalid' }, peerings: [] };
      const path = '/apis/ikemesh.io/v1alpha1/ipsecnodeconfigs';
      return (await admin.ask({ method: 'POST', path, query: { dryRun: 'All' }, body: { ...body, spec } })).ok;
    });
    running = await RunningOperator.start(cluster);
    await until('it says so', async () => running.logged.some((line) => line.includes('agents are given no rights')));
    expect(await cluster.find('ClusterRoleBinding', PLACES.agentAccount)).toBeUndefined();
  });
});
