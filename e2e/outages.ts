import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { chart } from '../charts/ikemesh/testing/helm.ts';
import type { Component } from '../hack/cluster/control-plane/component.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { projectVersion } from '../hack/image/build-image.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import type { IpsecNodeConfig } from '../operator/api/ipsec-node-config.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';
import { meshPeering } from './mesh-peering.ts';
import { pairsOf } from './mesh-streams.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { spisWith } from './sas.ts';

/** What runs a mesh is away or replaced, while traffic flows: the API server, agents, operators. */
export function outages(mesh: () => InstalledCluster): void {
  const nodes = () => [...mesh().cluster.nodes.values()];

  it('encrypts and rekeys without the API server, across a restart of an agent, and tells the truth afterwards', async () => {
    const server = mesh().cluster.controlPlane.component('kube-apiserver');
    const before = await allSpis();
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, async () => {
      await whileAway(server, async () => {
        const agent = await pidOf(mesh().cluster.node('b'), AGENT);
        await mesh().cluster.node('b').succeed(['kill', '-9', agent]);
        // For a moment there is none.
        const isAnother = async () =>
          ![undefined, agent].includes(await pidOf(mesh().cluster.node('b'), AGENT).catch(() => undefined));
        await waitUntil('kubelet to start the agent again', isAnother, { timeoutMs: 60_000, intervalMs: 500 });
        const isRekeyed = async () => {
          const now = await allSpis();
          return now.every((spis, index) => !spis.some((spi) => before[index]?.includes(spi)));
        };
        await waitUntil('every SA to be replaced', isRekeyed, { timeoutMs: 150_000, intervalMs: 1_000 });
      });
      const returned = performance.now();
      await mesh().apply(meshPeering('90s'));
      await waitUntil('all agents to have heard', () => isCarriedOut('90s'), { timeoutMs: 120_000, intervalMs: 500 });
      say(`a change is carried out by all nodes ${seconds(returned)} s after the API server is back`);
    });
    expect(await mesh().readyTunnels()).toEqual({ expected: 3, established: 3, encrypting: 3 });
  }, 600_000);

  it('has another operator lead within 15 s of a crash, and when the leader is told to end', async () => {
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, async () => {
      const first = await leader();
      const node = mesh().cluster.node(await nodeOfPod(first.pod));
      const pid = await pidOf(node, OPERATOR);
      const crashed = performance.now();
      await node.succeed(['kill', '-9', pid]);
      const second = await leaderAfter(first.identity);
      say(`another operator leads ${seconds(crashed)} s after the leader crashed`);
      expect(performance.now() - crashed).toBeLessThan(15_000);
      await mesh().apply(meshPeering('3m'));
      await waitUntil('all nodes to be told', () => isWritten('3m'), { timeoutMs: 60_000, intervalMs: 500 });
      const asked = performance.now();
      await mesh().kubectl('delete', 'pod', second.pod, `--namespace=${namespace}`, '--wait=false');
      await leaderAfter(second.identity);
      say(`another operator leads ${seconds(asked)} s after the leader was told to end`);
      await mesh().apply(meshPeering('4m'));
      await waitUntil('all nodes to be told', () => isWritten('4m'), { timeoutMs: 60_000, intervalMs: 500 });
    });
  }, 600_000);

  it('loses nothing while Helm upgrades it to another image, one agent after the other, and back', async () => {
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, async () => {
      const image = `${repository}:${await projectVersion()}`;
      const tag = ['ctr', '--namespace=k8s.io', 'images', 'tag', image, `${repository}:next`];
      await Promise.all(nodes().map((node) => node.succeed(tag)));
      const upgrade = ['upgrade', 'ikemesh', chart, '--reuse-values', '--set=image.tag=next'];
      for (const words of [upgrade, ['rollback', 'ikemesh']]) {
        const [started, before] = [performance.now(), await agentPods()];
        await mesh().helm.succeed(...words, `--namespace=${namespace}`, '--wait', '--timeout=6m');
        const areGone = async () => !(await agentPods()).some((pod) => before.includes(pod));
        await waitUntil('the agents of before to be gone', areGone, { timeoutMs: 60_000, intervalMs: 500 });
        say(`helm ${words[0]}: the agents of three nodes and the operators are replaced after ${seconds(started)} s`);
      }
      // Until what was replaced has gone.
      await delay(8_000);
    });
    expect(await mesh().readyTunnels()).toEqual({ expected: 3, established: 3, encrypting: 3 });
  }, 600_000);

  const allSpis = () => Promise.all(pairsOf(nodes()).map(([one, other]) => spisWith(one, other)));

  const nodeConfigs = () => mesh().list<IpsecNodeConfig>('ipsecnodeconfigs');

  /** Whether every node is told what the peering says. */
  async function isWritten(child: string): Promise<boolean> {
    return (await nodeConfigs()).every(({ spec }) => spec.peerings[0]?.lifetimes?.child === child);
  }

  /** Whether every agent says that it does so, too. */
  async function isCarriedOut(child: string): Promise<boolean> {
    const isDone = ({ metadata, status }: IpsecNodeConfig) => status?.observedGeneration === metadata.generation;
    return (await isWritten(child)) && (await nodeConfigs()).every(isDone);
  }

  async function leader(): Promise<{ readonly identity: string; readonly pod: string }> {
    const lease = await mesh().read<{ readonly spec: { readonly holderIdentity: string } }>(
      ...(['lease', 'ikemesh-operator', `--namespace=${namespace}`] as const),
    );
    const identity = lease.spec.holderIdentity;
    return { identity, pod: identity.split('_')[0] ?? '' };
  }

  /** Whoever leads when it is another one. */
  function leaderAfter(identity: string): ReturnType<typeof leader> {
    const another = async () => {
      const now = await leader();
      return [identity, ''].includes(now.identity) ? undefined : now;
    };
    return waitUntil('another operator to lead', another, { timeoutMs: 60_000, intervalMs: 250 });
  }

  async function nodeOfPod(pod: string): Promise<string> {
    return mesh().kubectl('get', 'pod', pod, `--namespace=${namespace}`, '--output=jsonpath={.spec.nodeName}');
  }

  async function agentPods(): Promise<readonly string[]> {
    const where = [`--namespace=${namespace}`, '--selector=app.kubernetes.io/component=agent'];
    return (await mesh().kubectl('get', 'pods', ...where, '--output=name')).trim().split('\n');
  }

  /** The one process on a node whose words match. */
  async function pidOf(node: ClusterNode, words: string): Promise<string> {
    return (await node.succeed(['pgrep', '-o', '-f', words])).trim();
  }
}

/** Whatever happens meanwhile, the others find the program as it was. */
async function whileAway(program: Component, happens: () => Promise<void>): Promise<void> {
  await program.kill();
  try {
    await happens();
  } finally {
    await program.start(AbortSignal.timeout(90_000));
  }
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}

const repository = 'ikemesh.io/ikemesh';
const AGENT = '^/usr/bin/node .*/app/agent[.]js --kubernetes';
const OPERATOR = '^/usr/bin/node .*/app/operator[.]js run';
