import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { projectVersion } from '../hack/image/build-image.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { isLongForm } from '../hack/test/long-form.ts';
import { currentRelease, type InstalledCluster, namespace } from './installed-cluster.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';

/** From a chart, an image and definitions of the minor version before to those of this source tree, by Helm as operators do it. */
export function upgrades(mesh: () => InstalledCluster): void {
  const nodes = () => [...mesh().cluster.nodes.values()];

  it('lose no packet while Helm upgrades them, and are agents, operators and definitions of the version after', async () => {
    const [version, before] = [await projectVersion(), await versionsOfPods()];
    expect(before).toHaveLength(1);
    expect(before).not.toContain(version);
    expect(await hasNewField()).toBe(false);
    const release = await currentRelease(say, new AbortController().signal);
    await mesh().cluster.loadImage(release.image);
    const upgrade = ['upgrade', 'ikemesh', release.chart, '--reset-then-reuse-values'];
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, async () => {
      await replaced(upgrade, [version]);
      expect(await hasNewField()).toBe(true);
      if (!isLongForm()) return;
      await replaced(['rollback', 'ikemesh'], before);
      expect(await hasNewField()).toBe(false);
      await replaced(upgrade, [version]);
    });
    expect(await mesh().readyTunnels(1, 180_000)).toEqual({ expected: 1, established: 1, encrypting: 1 });
  }, 900_000);

  /** Helm says that it is done, all pods are of these versions, and what was replaced has gone. */
  async function replaced(words: readonly string[], versions: readonly string[]): Promise<void> {
    const started = performance.now();
    await mesh().helm.succeed(...words, `--namespace=${namespace}`, '--wait', '--timeout=6m');
    const are = async () => String(await versionsOfPods()) === String(versions);
    await waitUntil(`all pods to be of ${versions.join()}`, are, { timeoutMs: 90_000, intervalMs: 500 });
    say(`helm ${words[0]}: all pods are of ${versions.join()} after ${seconds(started)} s`);
    await delay(8_000);
  }

  /** Of the image, of all pods that are there. */
  async function versionsOfPods(): Promise<readonly string[]> {
    const path = '--output=jsonpath={.items[*].spec.containers[*].image}';
    const images = (await mesh().kubectl('get', 'pods', `--namespace=${namespace}`, path)).trim().split(/\s+/);
    return [...new Set(images.map((image) => image.slice(image.lastIndexOf(':') + 1)))];
  }

  /** Whether agents may say what the version before could not. */
  async function hasNewField(): Promise<boolean> {
    return (await mesh().kubectl('get', 'crd', 'ipsecnodeconfigs.ikemesh.io', '--output=json')).includes(
      '"neverEncrypted"',
    );
  }
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
