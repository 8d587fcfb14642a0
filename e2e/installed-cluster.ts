import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chart, Helm, helmProgram } from '../charts/ikemesh/testing/helm.ts';
import { type Cluster, startCluster } from '../hack/cluster/nodes/cluster.ts';
import { buildImage, projectVersion } from '../hack/image/build-image.ts';
import { platforms } from '../hack/image/platform.ts';

/** Where the chart is installed, and what nodes' identities end in. */
export const namespace = 'ikemesh';
const trustDomain = 'e2e.ikemesh.internal';

/** A cluster with nodes, cert-manager, our image and the chart. */
export class InstalledCluster {
  readonly cluster: Cluster;
  readonly helm: Helm;

  private constructor(cluster: Cluster, helm: Helm) {
    this.cluster = cluster;
    this.helm = helm;
  }

  /** Starts the cluster and installs the chart, from the image of this source tree; waits until all pods are ready. */
  static async start(nodes: readonly string[], say: (line: string) => void): Promise<InstalledCluster> {
    const cluster = await startCluster({ nodes, certManager: true, say });
    const installed = new InstalledCluster(cluster, new Helm(await helmProgram(), cluster.controlPlane.kubeconfig));
    try {
      await installed.#loadImage(say);
      say('helm install');
      await installed.helm.succeed(
        ...['install', 'ikemesh', chart, `--namespace=${namespace}`, '--create-namespace'],
        ...[`--set=trustDomain=${trustDomain}`, '--wait', '--timeout=3m'],
      );
      return installed;
    } catch (error) {
      await installed.close();
      throw error;
    }
  }

  /** What kubectl says; its refusal is an error. */
  async kubectl(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cluster.controlPlane.kubectl(words);
    if (code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Applies objects as a user does. */
  async apply(...objects: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const { code, stderr } = await this.cluster.controlPlane.kubectl(['apply', '--filename=-'], { input });
    if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  }

  async close(): Promise<void> {
    this.helm.close();
    await this.cluster.close();
  }

  async #loadImage(say: (line: string) => void): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'ikemesh-e2e-image-'));
    try {
      const here = platforms.filter(({ npm }) => npm === process.arch);
      const reference = `ikemesh.io/ikemesh:${await projectVersion()}`;
      say(`building ${reference} and bringing it to every node`);
      // What Debian serves now will do: that the pins are right is the image's own test.
      const options = { reference, platforms: here, output: folder, say };
      await buildImage({ ...options, newest: false }).catch(() => buildImage({ ...options, newest: true }));
      await this.cluster.loadImage(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
