import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { chart } from '../charts/ikemesh/testing/helm.ts';
import { projectVersion } from '../hack/image/build-image.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { dumpStates } from '../hack/lab/xfrm/xfrm-dump.ts';
import { isLongForm } from '../hack/test/long-form.ts';
import { changed } from '../operator/api/testing/manifests.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';
import { meshPeering } from './mesh-peering.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { killAgent, replaceAgent } from './processes.ts';

/**
 * Agents are replaced while ESP in UDP flows, which the kernel takes in only while somebody has the sockets of port 4500; plain
 * ESP asks less.
 */
export function replacements(mesh: () => InstalledCluster): void {
  const nodes = () => [...mesh().cluster.nodes.values()];

  it('loses nothing of ESP in UDP when an agent or its pod is gone, and while Helm upgrades all to another image', async () => {
    await mesh().apply(changed(meshPeering('4m'), 'spec.natTraversal', 'Always'));
    const isInUdp = async () => {
      const states = (await Promise.all(nodes().map(dumpStates))).flat().filter(({ reqid }) => reqid !== 0);
      return states.length > 0 && states.every(({ encapsulation }) => encapsulation !== undefined);
    };
    await waitUntil('every SA to be of ESP in UDP', isInUdp, { timeoutMs: 120_000, intervalMs: 1_000 });
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
        const [pod = ''] = await agentPods('--field-selector=spec.nodeName=a');
        await replaceAgent(mesh().cluster.node('a'), () => mesh().kubectl('delete', `--namespace=${namespace}`, pod));
        // An update deletes a pod that is not ready at once.
        await killAgent(mesh().cluster.node('a'));
        const image = `${repository}:${await projectVersion()}`;
        const tag = ['ctr', '--namespace=k8s.io', 'images', 'tag', image, `${repository}:next`];
        await Promise.all(nodes().map((node) => node.succeed(tag)));
        const upgrade = ['upgrade', 'ikemesh', chart, '--reuse-values', '--set=image.tag=next'];
        for (const words of isLongForm() ? [upgrade, ['rollback', 'ikemesh']] : [upgrade]) {
          const [started, before] = [performance.now(), await agentPods()];
          await mesh().helm.succeed(...words, `--namespace=${namespace}`, '--wait', '--timeout=6m');
          const areGone = async () => !(await agentPods()).some((pod) => before.includes(pod));
          await waitUntil('the agents of before to be gone', areGone, { timeoutMs: 60_000, intervalMs: 500 });
          say(`helm ${words[0]}: the agents of three nodes and the operators are replaced after ${seconds(started)} s`);
        }
        // Until what was replaced has gone.
        await delay(8_000);
      },
      { event: 'chart-upgraded' },
    );
    expect(await isInUdp()).toBe(true);
    expect(await mesh().readyTunnels(3)).toEqual({ expected: 3, established: 3, encrypting: 3 });
  }, 600_000);

  async function agentPods(...words: readonly string[]): Promise<readonly string[]> {
    const where = [`--namespace=${namespace}`, '--selector=app.kubernetes.io/component=agent', ...words];
    return (await mesh().kubectl('get', 'pods', ...where, '--output=name')).trim().split('\n');
  }
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}

const repository = 'ikemesh.io/ikemesh';
