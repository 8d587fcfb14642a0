import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import type { Component } from '../hack/cluster/control-plane/component.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import type { IpsecNodeConfig } from '../operator/api/ipsec-node-config.ts';
import { Certificates } from './certificates.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';
import { meshPeering } from './mesh-peering.ts';
import { pairsOf } from './mesh-streams.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { killAgent, OPERATOR, pidOf } from './processes.ts';
import { spisWith } from './sas.ts';

/** What runs a mesh is away or replaced, while traffic flows: the API server, agents, operators. */
export function outages(mesh: () => InstalledCluster): void {
  const nodes = () => [...mesh().cluster.nodes.values()];

  it('encrypts and rekeys without cert-manager, and takes the certificate that was due when it is back', async () => {
    const controllers = mesh().cluster.controlPlane.component('cert-manager-controller');
    const [spis, serial] = [await allSpis(), await serialNumber('a')];
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
        await whileAway(controllers, async () => {
          await new Certificates(mesh()).renewOf('a');
          await allReplaced(spis);
          expect(await serialNumber('a')).toBe(serial);
        });
        const returned = performance.now();
        const isRenewed = async () => (await serialNumber('a')) !== serial;
        await waitUntil('the certificate to be renewed', isRenewed, { timeoutMs: 120_000, intervalMs: 500 });
        say(`the certificate that was due is in use ${seconds(returned)} s after cert-manager is back`);
        // Until what was replaced has gone.
        await delay(8_000);
      },
      { event: 'cert-manager-away' },
    );
  }, 600_000);

  it('encrypts and rekeys without the API server, across a restart of an agent, and tells the truth afterwards', async () => {
    const server = mesh().cluster.controlPlane.component('kube-apiserver');
    const before = await allSpis();
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
        await whileAway(server, async () => {
          await killAgent(mesh().cluster.node('b'));
          await allReplaced(before);
        });
        const returned = performance.now();
        await mesh().apply(meshPeering('90s'));
        await waitUntil('all agents to have heard', () => isCarriedOut('90s'), { timeoutMs: 120_000, intervalMs: 500 });
        say(`a change is carried out by all nodes ${seconds(returned)} s after the API server is back`);
      },
      { event: 'api-server-away' },
    );
    expect(await mesh().readyTunnels(3)).toEqual({ expected: 3, established: 3, encrypting: 3 });
  }, 600_000);

  it('has another operator lead within 15 s of a crash, and when the leader is told to end', async () => {
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
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
      },
      { event: 'operator-crashed' },
    );
  }, 600_000);

  const allSpis = () => Promise.all(pairsOf(nodes()).map(([one, other]) => spisWith(one, other)));

  async function allReplaced(before: readonly (readonly number[])[]): Promise<void> {
    const isRekeyed = async () => {
      const now = await allSpis();
      return now.every((spis, index) => !spis.some((spi) => before[index]?.includes(spi)));
    };
    await waitUntil('every SA to be replaced', isRekeyed, { timeoutMs: 150_000, intervalMs: 1_000 });
  }

  function serialNumber(node: string): Promise<string> {
    const path = '--output=jsonpath={.status.peerings[0].certificate.serialNumber}';
    return mesh().kubectl('get', 'ipsecnodeconfig', node, path);
  }

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
