import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { joinNode } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, until } from '../testing/operator-cluster.ts';
import { OperatorProcess, type OperatorProcessOptions } from '../testing/operator-process.ts';

describe('several operators', () => {
  let cluster: OperatorCluster;
  const candidates: OperatorProcess[] = [];
  const start = async (name: string, options: OperatorProcessOptions = {}) => {
    const candidate = await OperatorProcess.start(cluster, name, options);
    candidates.push(candidate);
    return candidate;
  };
  const holder = async () =>
    ((await cluster.find<AnyObject>('Lease', 'ikemesh-operator', PLACES.ownNamespace))?.['spec'] as Spec | undefined)
      ?.holderIdentity ?? '';

  beforeAll(async () => {
    cluster = await OperatorCluster.start({});
    await cluster.apply(meshManifest as Manifest as unknown as AnyObject);
  });
  afterAll(async () => {
    await Promise.all(candidates.filter(({ runs }) => runs).map((each) => each.end('SIGKILL')));
    await cluster?.close();
  });

  it('hand over within 15 s after the leader crashed, and only one of them writes', async () => {
    const first = await start('first');
    await until('the first leads', async () => first.leads || first.log + first.errors);
    const second = await start('second');
    await until('the second waits', async () => second.log.includes('the leader is first') || second.errors);
    await joinNode(cluster, 1);
    await until('the first works', async () => (await cluster.nodeConfigs()).length === 1);
    expect(second.leads).toBe(false);

    const crashed = performance.now();
    await first.end('SIGKILL');
    await joinNode(cluster, 2);
    await until('the second works', async () => (await cluster.nodeConfigs()).length === 2);
    expect((performance.now() - crashed) / 1_000).toBeLessThan(15);
    expect(await holder()).toMatch(/^second_/);
  });

  it('hand over at once when the leader is told to end, which it does in order', async () => {
    const third = await start('third');
    const second = candidates[1] as OperatorProcess;
    await until('the third waits', async () => third.log.includes('the leader is second') || third.errors);
    const asked = performance.now();
    expect(await second.end('SIGTERM')).toBe(0);
    expect(second.log).toContain('"msg":"ended"');
    await until('the third leads', async () => third.leads);
    // The lease would have to end otherwise, ten seconds after it was renewed.
    expect((performance.now() - asked) / 1_000).toBeLessThan(6);
  });

  it('cease to lead when the lease is lost, and lead again without a restart when nobody else does', async () => {
    const third = candidates[2] as OperatorProcess;
    const stolen = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'ikemesh-operator', namespace: PLACES.ownNamespace },
      spec: { holderIdentity: 'somebody', leaseDurationSeconds: 3 },
    };
    await cluster.apply(stolen);
    await until('it ceases to lead', async () => third.log.includes('leadership is lost: the leader is somebody'));
    await until('it leads again', async () => third.timesLed === 2 || third.log);
    await joinNode(cluster, 3);
    await until('it works', async () => (await cluster.nodeConfigs()).length === 3);
    expect(third.runs).toBe(true);
    expect(await holder()).toMatch(/^third_/);
  });

  it('say what is missing and what to do, when they may read nothing or the kinds are not there', async () => {
    const kubeconfig = await cluster.controlPlane.kubeconfigOf({ name: 'stranger' });
    const stranger = await start('stranger', { kubeconfig });
    await until('it is refused', async () => stranger.log.includes('grant it to the operator') || stranger.log);
    await cluster.remove('CustomResourceDefinition', 'ipsecpeerslices.ikemesh.io');
    await until('the kind is gone', async () => {
      return (await cluster.find('CustomResourceDefinition', 'ipsecpeerslices.ikemesh.io')) === undefined;
    });
    const late = await start('late');
    await until('it says so', async () => late.log.includes("install ikemesh's CustomResourceDefinitions") || late.log);
  });
});

interface Spec {
  readonly holderIdentity: string;
}
