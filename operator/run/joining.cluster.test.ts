import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { countsOf, readAuditLog, writesOf } from '../testing/audit-log.ts';
import { issueAll, joinNode, joinNodes, reportAll } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, until } from '../testing/operator-cluster.ts';
import { RunningOperator } from '../testing/running-operator.ts';

const NODES = 500;

describe('a node that joins a mesh of five hundred', () => {
  let cluster: OperatorCluster;
  let running: RunningOperator;

  beforeAll(async () => {
    cluster = await OperatorCluster.start({ certManager: true });
    // Its webhook judges every Certificate. Five hundred keys and signatures would only take their time.
    await cluster.controlPlane.component('cert-manager-controller').kill();
    await cluster.apply(meshManifest as Manifest as unknown as AnyObject);
    const pods = await joinNodes(cluster, NODES);
    running = await RunningOperator.start(cluster);
    const all = async () => (await cluster.certificates()).length === NODES;
    await until('a certificate is asked for, for each', all, 300_000);
    await issueAll(cluster);
    // Once with their certificates, and once with the peers that they know then.
    await reportAll(cluster, pods);
    await until('all are in slices', async () => {
      const peers = (await cluster.slices()).flatMap((slice) => slice.peers);
      return peers.length === NODES || peers.length;
    });
    await reportAll(cluster, pods);
    const isUp = async () => {
      const said = await cluster.condition('cluster', 'Ready');
      return /^True/.test(said) || said;
    };
    await until('the mesh is up', isUp, 120_000);
    await until('everything is written', async () => running.operator.isSettled);
  }, 600_000);
  afterAll(async () => {
    await running?.stop();
    await cluster?.close();
  });

  it('causes one write for its configuration, its peer list, its certificate and the status, and three for its identity', async () => {
    const { end } = await readAuditLog(cluster.controlPlane.auditLog);
    const node = `node-${NODES + 1}`;
    const pods = new Map([[node, await joinNode(cluster, NODES + 1)]]);
    await until('its certificate is asked for', async () => (await cluster.certificates()).length === NODES + 1);
    await issueAll(cluster);
    await reportAll(cluster, pods);
    await until('the status counts it', async () => {
      const nodes = (await cluster.peering('cluster'))?.status?.nodes;
      return (nodes?.selected === NODES + 1 && nodes.ready === NODES + 1) || nodes;
    });
    await until('everything is written', async () => running.operator.isSettled);

    const { requests } = await readAuditLog(cluster.controlPlane.auditLog, end);
    const own = writesOf(requests, /ikemesh-operator/).filter(({ resource }) => resource !== 'leases');
    expect(own.filter(({ code }) => code >= 400)).toEqual([]);
    expect(countsOf(own)).toEqual({
      'patch ipsecnodeconfigs': 1,
      'patch ipsecpeerslices': 1,
      'patch ipsecpeerings/status': 1,
      'patch serviceaccounts': 1,
      'patch roles': 1,
      'patch rolebindings': 1,
      'patch certificates': 1,
    });
  });
});
