import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { meshManifest } from '../api/testing/manifests.ts';
import { joinNode, meshAuthority, reportAs } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, PREFIX, until } from '../testing/operator-cluster.ts';
import { Operator } from './operator.ts';

describe('the operator in a cluster with cert-manager', () => {
  let cluster: OperatorCluster;
  let operator: Operator;
  let ended: Promise<unknown>;
  const clock = { aheadMs: 0 };
  const pods = new Map<string, string>();

  beforeAll(async () => {
    cluster = await OperatorCluster.start({ controllers: true, certManager: true });
    await cluster.apply(...meshAuthority());
    for (const number of [1, 2, 3]) pods.set(`node-${number}`, await joinNode(cluster, number));
    operator = new Operator({
      connection: await cluster.operatorConnection(),
      settings: { trustDomain: 'mesh.test', namespace: PLACES.nodesNamespace, issuersRestricted: false },
      ownNamespace: PLACES.ownNamespace,
      prefix: PREFIX,
      instance: 'operator-0',
      log: pino({ level: process.env['OPERATOR_LOG'] ?? 'silent' }),
      now: () => Date.now() + clock.aheadMs,
    });
    ended = operator.run();
  });
  afterAll(async () => {
    operator?.stop();
    await ended;
    await cluster?.close();
  });
  afterEach(() => expect(operator.unready).toBeUndefined());

  const report = async () => {
    for (const [node, pod] of pods) await reportAs(cluster, node, pod);
  };
  /** Agents report until a condition says what is wanted. */
  const untilCondition = (peering: string, type: string, wanted: RegExp) =>
    until(`${type} of ${peering} is ${wanted}`, async () => {
      await report();
      operator.wake();
      const said = await cluster.condition(peering, type);
      return wanted.test(said) || said;
    });

  it('brings up a mesh of three nodes: configuration, identity, certificate, slice, and conditions that are true', async () => {
    await cluster.apply(meshManifest as AnyObject);
    await until('all have told that they have a certificate', async () => {
      const done = await Promise.all([...pods].map(([node, pod]) => reportAs(cluster, node, pod)));
      return (done.length === 3 && done.every(Boolean)) || done;
    });
    expect(await cluster.condition('cluster', 'Ready')).toMatch(/^Unknown Pending/);
    // Whoever joined less than a minute ago is not judged.
    clock.aheadMs = 61_000;
    await untilCondition('cluster', 'Ready', /^True Ready/);
    const configs = await cluster.nodeConfigs();
    expect(configs.map(({ metadata }) => metadata.name)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(configs[0]?.spec.identity).toEqual({ fqdn: 'node-1.mesh.test' });
    const [slice] = await cluster.slices();
    expect(slice?.peers.map(({ name }) => name).toSorted()).toEqual(['node-1', 'node-2', 'node-3']);
    expect(slice?.peers[0]?.addresses).toHaveLength(2);
    const peering = await cluster.peering('cluster');
    expect(peering?.status).toMatchObject({
      observedGeneration: 1,
      nodes: { selected: 3, ready: 3 },
      tunnels: { expected: 3, established: 3, encrypting: 3 },
    });
  });
});
