import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { changed, type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { STARTUP_TAINT } from '../nodeconfig/names.ts';
import { joinNode } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, until } from '../testing/operator-cluster.ts';
import { RunningOperator } from '../testing/running-operator.ts';

describe('the startup taint of a node', () => {
  const startup = { key: STARTUP_TAINT, value: 'true', effect: 'NoSchedule' };
  const other = { key: 'example.com/dedicated', value: 'db', effect: 'NoSchedule' };
  let cluster: OperatorCluster;
  let running: RunningOperator;

  beforeAll(async () => {
    cluster = await OperatorCluster.start({});
    const selected = changed(meshManifest, 'spec.nodes', { selector: { matchLabels: { mesh: 'yes' } } });
    await cluster.apply(selected as Manifest as unknown as AnyObject);
    running = await RunningOperator.start(cluster);
  });
  afterAll(async () => {
    await running?.stop();
    await cluster?.close();
  });

  /** But for those by which the API server says that no kubelet has reported yet. */
  const taintsOf = async (node: string) => {
    const found = await cluster.find<AnyObject & { readonly spec: Spec }>('Node', node);
    const keys = (found?.spec.taints ?? []).map(({ key }) => key);
    return keys.filter((key) => !key.startsWith('node.kubernetes.io/')).sort();
  };
  const join = (number: number, labels: object) =>
    joinNode(cluster, number, {
      'metadata.labels': { 'kubernetes.io/os': 'linux', ...labels },
      'spec.taints': [startup, other],
    });
  /** What the agent of a pod says of the newest configuration. */
  const report = async (node: string, podUID: string, programmed: 'True' | 'False') => {
    const config = (await cluster.nodeConfigs()).find(({ metadata }) => metadata.name === node);
    const condition = { type: 'Programmed', status: programmed, reason: 'Test', message: 'test' };
    await cluster.patchStatus('IPsecNodeConfig', node, {
      observedGeneration: config?.metadata.generation,
      agent: { podUID, bootID: podUID },
      conditions: [{ ...condition, lastTransitionTime: new Date().toISOString() }],
    });
  };
  /** That it stays has no sign of its own; a plan of two nodes begins 50 ms after a change. */
  const later = () => new Promise((resolve) => setTimeout(resolve, 1_500));

  it('goes when the agent that is Ready there has done what it is told, and not before; other taints stay', async () => {
    const podUID = await join(1, { mesh: 'yes' });
    const isTold = async () => (await cluster.nodeConfigs()).some(({ metadata }) => metadata.name === 'node-1');
    await until('the node is told what to do', isTold);
    for (const [pod, programmed] of [
      [podUID, 'False'],
      ['of-the-agent-before', 'True'],
    ] as const) {
      await report('node-1', pod, programmed);
      await later();
      expect(await taintsOf('node-1')).toEqual([other.key, STARTUP_TAINT].sort());
    }
    await report('node-1', podUID, 'True');
    await until('it is gone', async () => (await taintsOf('node-1')).join() === other.key);
    expect(running.logged.filter((line) => line.includes('the startup taint is taken away'))).toHaveLength(1);
  });

  it('goes from a node that takes part in nothing, once its agent is Ready', async () => {
    await join(2, {});
    await until('it is gone', async () => (await taintsOf('node-2')).join() === other.key);
    expect((await cluster.nodeConfigs()).map(({ metadata }) => metadata.name)).toEqual(['node-1']);
  });

  it('goes again from a node that has got it once more', async () => {
    await join(2, {});
    const taken = () =>
      running.logged.filter((line) => line.includes('"node":"node-2"') && line.includes('taken away'));
    await until('it is gone', async () => taken().length === 2 && (await taintsOf('node-2')).join() === other.key);
  });
});

interface Spec {
  readonly taints?: readonly { readonly key: string }[];
}
