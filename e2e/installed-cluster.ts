import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { chart, Helm, helmProgram } from '../charts/ikemesh/testing/helm.ts';
import { type Cluster, startCluster } from '../hack/cluster/nodes/cluster.ts';
import { buildImage, projectFolder, projectVersion } from '../hack/image/build-image.ts';
import { platforms } from '../hack/image/platform.ts';
import { takeLock } from '../hack/lab/host/folder-lock.ts';
import { type Manifest, meshManifest } from '../operator/api/testing/manifests.ts';
import { meshAuthority } from '../operator/testing/cluster-nodes.ts';
import type { EarlierRelease, Release } from './earlier-release.ts';
import { encryptingStreams, trafficWorkloads } from './pod-streams.ts';
import { allPairsEncrypt } from './sas.ts';

/** Where the chart is installed, and what nodes' identities end in. */
export const namespace = 'ikemesh';
export const trustDomain = 'e2e.ikemesh.internal';

/** What is read of the status of a peering. */
interface PeeringStatus {
  readonly tunnels: object;
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

interface NodeConfig {
  readonly metadata: { readonly name: string };
  readonly status?: Pick<PeeringStatus, 'conditions'>;
}

/** Which conditions do not hold, and why. */
function obstacles(conditions: PeeringStatus['conditions'] = [], where = ''): readonly string[] {
  return conditions.flatMap(({ type, status, message }) =>
    status === 'True' ? [] : [`${where}${type} is ${status}: ${message}`],
  );
}

/** A cluster with nodes, cert-manager, our image and the chart. */
export class InstalledCluster {
  readonly cluster: Cluster;
  readonly helm: Helm;
  readonly #signal: AbortSignal;

  private constructor(cluster: Cluster, helm: Helm, signal: AbortSignal) {
    this.cluster = cluster;
    this.helm = helm;
    this.#signal = signal;
    signal.addEventListener('abort', this.#takeDown, { once: true });
  }

  /**
   * Starts the cluster and installs the chart, from the image of this source tree unless it is to be an earlier release; waits
   * until all pods are ready. Aborting it, then or later, takes everything down, and whatever is under way fails.
   */
  static async start(
    nodes: readonly string[],
    say: (line: string) => void,
    signal = new AbortController().signal,
    earlier?: EarlierRelease,
  ): Promise<InstalledCluster> {
    const making = earlier === undefined ? currentRelease(say, signal) : earlier.make(say, signal);
    // It goes on while the cluster starts; what becomes of it is asked for then.
    making.catch(() => undefined);
    const cluster = await startCluster({ nodes, certManager: true, say, signal });
    const helm = new Helm(await helmProgram(), cluster.controlPlane.kubeconfig, signal);
    const installed = new InstalledCluster(cluster, helm, signal);
    try {
      const release = await making;
      await cluster.loadImage(release.image);
      signal.throwIfAborted();
      say('helm install');
      await installed.helm.succeed(
        ...['install', 'ikemesh', release.chart, `--namespace=${namespace}`, '--create-namespace'],
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

  /** Has pods that end streams on every node, an authority and a peering of all nodes; waits until every pair has its SAs. */
  async encrypt(peering: Manifest = meshManifest): Promise<void> {
    await this.apply(...trafficWorkloads, ...meshAuthority(), encryptingStreams(peering));
    await this.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=180s');
    await allPairsEncrypt([...this.cluster.nodes.values()]);
  }

  /**
   * Waits until the peering of the mesh expects so many tunnels, and is Ready then; answers with its counts. Nodes that joined
   * less than a minute ago are not expected to have any before they reach all, and it can be Ready without them.
   */
  async readyTunnels(expected: number, timeoutMs = 120_000): Promise<object> {
    const wait = (what: string) => ['wait', `--for=${what}`, `--timeout=${timeoutMs}ms`, 'ipsecpeering/cluster'];
    await this.kubectl(...wait(`jsonpath={.status.tunnels.expected}=${expected}`));
    const { code, stderr } = await this.cluster.controlPlane.kubectl(wait('condition=Ready'));
    const { status } = await this.read<{ readonly status: PeeringStatus }>('ipsecpeering', 'cluster');
    if (code === 0) return status.tunnels;
    const configs = await this.list<NodeConfig>('ipsecnodeconfigs');
    const nodes = configs.flatMap((config) => obstacles(config.status?.conditions, `${config.metadata.name}: `));
    throw new Error([stderr.trim(), ...obstacles(status.conditions), ...nodes].join('; '));
  }

  /** An object as it is now. */
  async read<T>(kind: string, name: string, ...where: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', kind, name, ...where, '--output=json')) as T;
  }

  /** All objects of a kind, or of several, as they are now. */
  async list<T>(kind: string, ...where: readonly string[]): Promise<readonly T[]> {
    const list = await this.kubectl('get', kind, ...where, '--output=json');
    return (JSON.parse(list) as { readonly items: readonly T[] }).items;
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#takeDown);
    this.helm.close();
    await this.cluster.close();
  }

  readonly #takeDown = (): void => {
    // Whoever started it closes it, too, and is told then what is wrong with that.
    this.close().catch(() => undefined);
  };
}

/** The chart of this source tree, and its image for this machine, built once for all files of tests. */
export async function currentRelease(say: (line: string) => void, signal: AbortSignal): Promise<Release> {
  image ??= makeImage(say, signal);
  return { chart, image: await image };
}

let image: Promise<string> | undefined;

/** Builds it, unless another worker of the same run of tests has done so meanwhile. */
async function makeImage(say: (line: string) => void, signal: AbortSignal): Promise<string> {
  const folder = join(projectFolder, 'dist/e2e-image');
  const ofRun = `${folder}.run`;
  const run = process.env['IKEMESH_TEST_RUN'];
  await mkdir(dirname(folder), { recursive: true });
  const lock = await takeLock(`${folder}.lock`, signal);
  try {
    const builtBy = await readFile(ofRun, 'utf8').catch(() => undefined);
    if (run !== undefined && builtBy === run) return folder;
    await rm(ofRun, { force: true });
    const here = platforms.filter(({ npm }) => npm === process.arch);
    const reference = `ikemesh.io/ikemesh:${await projectVersion()}`;
    say(`building ${reference}`);
    // What Debian serves now will do: that the pins are right is the image's own test.
    const options = { reference, platforms: here, output: folder, say, signal };
    await buildImage({ ...options, newest: false }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return buildImage({ ...options, newest: true });
    });
    if (run !== undefined) await writeFile(ofRun, run);
    return folder;
  } finally {
    lock.release();
  }
}
