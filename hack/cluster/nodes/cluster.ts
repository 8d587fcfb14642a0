import { join } from 'node:path';

import { type Capture, startCapture } from '../../lab/capture/capture.ts';
import { type RecipeName, recipes } from '../../lab/host/recipe.ts';
import { type BuildOptions, labCacheFolder, rootFolder } from '../../lab/host/root-folder.ts';
import { lastLines } from '../../lab/host/subprocess.ts';
import { waitUntil } from '../../lab/runner/wait-until.ts';
import { Daemon } from '../../lab/topology/daemon.ts';
import { type KernelDrops, parseKernelDrops } from '../../lab/traffic/kernel-drops.ts';
import { ClusterError } from '../cluster-error.ts';
import {
  type ControlPlane,
  type ControlPlaneOptions,
  programsOf,
  startControlPlane,
} from '../control-plane/control-plane.ts';
import { kubeletClient } from '../control-plane/prepare.ts';
import {
  controlPlaneAddresses,
  controlPlaneLinkLocal,
  nodeAddresses,
  nodeMac,
  withPrefix,
} from '../network/address-plan.ts';
import { NetworkNamespace } from '../network/namespace.ts';
import type { ProgramName } from '../programs/program.ts';
import { type ProgramPaths, programPaths } from '../programs/program-paths.ts';
import { ClusterNode } from './cluster-node.ts';
import { imagePrograms, packImage, programImage } from './images.ts';
import { makeNeighbourFolder, type Neighbour } from './neighbour.ts';
import { NodeController } from './node-controller.ts';
import { diskOf, makeNodeFolder, nodePrograms } from './node-folder.ts';
import { watchNodes } from './node-watch.ts';
import type { NodeObject } from './pod-network.ts';
import { expectNodesToRun } from './why-no-nodes.ts';

export interface ClusterOptions extends Pick<ControlPlaneOptions, 'certManager' | 'say' | 'signal' | 'jobs'> {
  /** Names of the nodes to begin with. */
  readonly nodes: readonly string[];
  /** Memory of each node. Default 1 GiB, taken as it is used. */
  readonly memoryMib?: number;
}

/** The root folder that nodes boot from, built if it is not cached. */
export function nodeRoot(options: Pick<BuildOptions, 'say' | 'signal'>): Promise<string> {
  return rootFolder(recipes.node, { cacheFolder: labCacheFolder(process.env), ...options });
}

/** The programs that a cluster of these options runs. */
export function clusterPrograms(options: Pick<ClusterOptions, 'certManager'>): readonly ProgramName[] {
  return [
    ...programsOf({ controllers: true, certManager: options.certManager ?? false }),
    ...nodePrograms,
    ...imagePrograms,
  ];
}

/**
 * Starts a control plane and nodes of their own kernels, joined by a network of their own, and waits until all nodes are
 * Ready. It ends with `close`, and at the latest with this process.
 * @throws CannotBuildError where Go modules cannot be had, CannotRunNodesError where this machine runs no nodes.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const say = options.say ?? ((line: string) => process.stderr.write(`cluster: ${line}\n`));
  const signal = options.signal ?? new AbortController().signal;
  await expectNodesToRun();
  const root = await nodeRoot({ say, signal });
  const jobs = options.jobs === undefined ? {} : { jobs: options.jobs };
  const paths = await programPaths([...nodePrograms, ...imagePrograms], { say, signal, ...jobs });
  const namespace = await NetworkNamespace.create(root);
  let cluster: Cluster | undefined;
  try {
    await makeBridge(namespace);
    const network = {
      addresses: controlPlaneAddresses,
      inside: (command: readonly string[]) => namespace.inside(command),
      forward: (ports: readonly number[], address: string) => namespace.forward(ports, address),
    };
    const { certManager = false } = options;
    const controlPlane = await startControlPlane({ controllers: true, certManager, say, signal, ...jobs, network });
    cluster = new Cluster({ controlPlane, namespace, root, paths, say, memoryMib: options.memoryMib ?? 1024 });
    await cluster.begin();
    const begun = cluster;
    await Promise.all(options.nodes.map((name) => begun.addNode(name, { signal })));
    return cluster;
  } catch (error) {
    await cluster?.close();
    await namespace.close();
    throw error;
  }
}

/** Who is told while a node is waited for, and what ends the wait. */
export interface WaitForNode {
  /** The cluster's own unless given. */
  readonly say?: (line: string) => void;
  readonly signal?: AbortSignal;
}

interface ClusterParts {
  readonly controlPlane: ControlPlane;
  readonly namespace: NetworkNamespace;
  readonly root: string;
  readonly paths: ProgramPaths<(typeof nodePrograms | typeof imagePrograms)[number]>;
  readonly say: (line: string) => void;
  readonly memoryMib: number;
}

/** A control plane and its nodes, which run. */
export class Cluster {
  readonly controlPlane: ControlPlane;
  readonly #parts: ClusterParts;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #neighbours = new Map<string, ClusterNode>();
  readonly #controller: NodeController;
  readonly #over = new AbortController();
  #watch: Promise<void> = Promise.resolve();
  /** Archives that every node has. */
  readonly #images: string[] = [];
  #lastNumber = 0;
  #captures = 0;
  #spawned = 0;

  /** Made by `startCluster`. */
  constructor(parts: ClusterParts) {
    this.controlPlane = parts.controlPlane;
    this.#parts = parts;
    this.#controller = new NodeController(this.#nodes, parts.namespace, parts.say);
  }

  /** Makes ready for nodes. */
  async begin(): Promise<void> {
    const { controlPlane, paths } = this.#parts;
    for (const name of imagePrograms) this.#images.push(await programImage(name, paths[name], controlPlane.folder));
    const { code, stderr } = await controlPlane.kubectl(['apply', '--server-side', '--filename=-'], {
      input: JSON.stringify(kubeletAccess),
    });
    if (code !== 0) throw new ClusterError(`the API server gets no access to kubelets: ${lastLines(stderr)}`);
    const credential = controlPlane.credentialOf({ name: 'node-controller', groups: ['system:masters'] });
    const observe = (nodes: readonly NodeObject[]) => this.#controller.observe(nodes);
    this.#watch = watchNodes(controlPlane.server, credential, observe, this.#over.signal);
  }

  /** By their names. */
  get nodes(): ReadonlyMap<string, ClusterNode> {
    return this.#nodes;
  }

  /** A node that there is. */
  node(name: string): ClusterNode {
    const node = this.#nodes.get(name);
    if (node === undefined) {
      const all = [...this.#nodes.keys()].join(', ');
      throw new ClusterError(`there is no node ${name}; there are: ${all === '' ? 'none' : all}`);
    }
    return node;
  }

  /** The first name of the usual ones that no node has. */
  freeName(): string {
    for (let number = 1; ; number++) if (!this.#nodes.has(nodeName(number))) return nodeName(number);
  }

  /** Adds a node with an empty disk and addresses that no node has had, and waits until it is Ready. */
  async addNode(name: string, wait: WaitForNode = {}): Promise<ClusterNode> {
    if (this.#nodes.has(name)) throw new ClusterError(`there is a node ${name} already`);
    const { controlPlane, namespace, root, paths, memoryMib } = this.#parts;
    const { addresses, machine } = this.#newMachine(name, root);
    const { folder } = machine;
    const booted = (booting: ClusterNode) => this.#controller.booted(booting);
    const node = new ClusterNode({
      name,
      addresses,
      machine: { ...machine, disk: diskOf(folder), memoryMib },
      booted,
    });
    this.#nodes.set(name, node);
    const server = {
      url: `https://${controlPlaneAddresses[0]}:${controlPlane.apiServerPort}`,
      authority: controlPlane.server.authority,
    };
    const images = this.#images;
    await makeNodeFolder({ folder, name, addresses, server, authority: controlPlane.authority, root, paths, images });
    await plugIn(namespace, machine.tap);
    await this.#bootUntilReady(node, () => node.boot(), wait);
    return node;
  }

  /**
   * Adds a machine that is none of the cluster's nodes to their wires, with addresses that no node has had; it boots from
   * the root folder of a recipe of the lab, which is built if it is not cached.
   */
  async addNeighbour(name: string, recipe: RecipeName, signal = new AbortController().signal): Promise<Neighbour> {
    if (this.#nodes.has(name) || this.#neighbours.has(name)) throw new ClusterError(`there is a ${name} already`);
    const { namespace, paths, say } = this.#parts;
    const root = await rootFolder(recipes[recipe], { cacheFolder: labCacheFolder(process.env), say, signal });
    const { addresses, machine } = this.#newMachine(name, root);
    const { folder } = machine;
    await makeNeighbourFolder({ folder, name, addresses, commands: paths['node-commands'] });
    await plugIn(namespace, machine.tap);
    const options = { name, addresses, machine: { ...machine, memoryMib: neighbourMib }, booted: () => undefined };
    const neighbour = new ClusterNode(options);
    this.#neighbours.set(name, neighbour);
    await neighbour.boot();
    return neighbour;
  }

  /** Reboots a node, in order or as after a power cut, and waits until it is Ready as what has booted. */
  async reboot(name: string, how: WaitForNode & { readonly crash?: boolean } = {}): Promise<void> {
    const node = this.node(name);
    await this.#bootUntilReady(node, () => node.reboot(how), how);
  }

  /** Brings the image of an OCI image layout to every node, and to those that are added later. */
  async loadImage(layout: string): Promise<void> {
    const archive = await packImage(layout, this.controlPlane.folder);
    if (!this.#images.includes(archive)) this.#images.push(archive);
    await Promise.all([...this.#nodes.values()].map((node) => node.importImage(archive)));
  }

  /** Takes a node away, its Node object too. */
  async removeNode(name: string): Promise<void> {
    const node = this.node(name);
    await node.remove();
    this.#nodes.delete(name);
    const { code, stderr } = await this.controlPlane.kubectl(['delete', 'node', name, '--ignore-not-found']);
    if (code !== 0) throw new ClusterError(`the Node ${name} is not deleted: ${lastLines(stderr)}`);
  }

  /** Captures what crosses the wires between nodes, and between them and the control plane, until stopped. */
  capture(label = 'capture'): Promise<Capture> {
    const { controlPlane, namespace } = this.#parts;
    const name = `${label}-${++this.#captures}`;
    const machines = [...this.#nodes.values(), ...this.#neighbours.values()];
    const senders = new Map(machines.map((machine) => [machine.mac, machine.name]));
    const logFile = join(controlPlane.folder, 'logs', `${name}.log`);
    const place = {
      spawn: (program: string, [, ...words]: readonly string[]) => namespace.tcpdump(program, words, logFile),
    };
    return startCapture({ node: place, interface: 'bridge', senders, file: join(controlPlane.folder, `${name}.pcap`) });
  }

  /** A command of this machine as it must be started to run beside the control plane, on the network of the nodes. */
  beside(command: readonly string[]): [string, ...string[]] {
    return this.#parts.namespace.inside(command);
  }

  /** What the wires have dropped so far, for guests that did not take it. */
  async wireDrops(): Promise<KernelDrops> {
    return parseKernelDrops(`#link\n${await this.#parts.namespace.ip('link show')}`);
  }

  /** A pod of the default namespace, as an end of a counted stream: what is spawned there runs in its first container. */
  podEnd(pod: string): { readonly name: string; spawn(label: string, command: readonly string[]): Daemon } {
    const { controlPlane } = this.#parts;
    return {
      name: pod,
      spawn: (label, command) => {
        const words = [...controlPlane.kubectlCommand(), 'exec', '--stdin', pod, '--', ...command];
        const logFile = join(controlPlane.folder, 'logs', `${pod}-${label}-${++this.#spawned}.log`);
        return new Daemon(`${label} in ${pod}`, words, logFile);
      },
    };
  }

  /** Ends everything and removes every trace; may be called again. */
  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all([...this.#nodes.values(), ...this.#neighbours.values()].map((machine) => machine.crash()));
    await this.#watch;
    await this.controlPlane.close();
    await this.#parts.namespace.close();
  }

  /** What distinguishes a machine of this cluster from every other one that it had. */
  #newMachine(name: string, root: string) {
    const { controlPlane, namespace } = this.#parts;
    const number = ++this.#lastNumber;
    const machine = {
      root,
      folder: join(controlPlane.folder, 'nodes', name),
      tap: `node${number}`,
      mac: nodeMac(number),
      inside: (command: readonly string[]) => namespace.inside(command),
    };
    return { addresses: nodeAddresses(number), machine };
  }

  /** A Node is what it says of itself only once kubelet has reported the machine id and the boot that there is now. */
  async #bootUntilReady(node: ClusterNode, boot: () => Promise<void>, wait: WaitForNode): Promise<void> {
    const { say = this.#parts.say, signal } = wait;
    const started = performance.now();
    say(`${node.name} boots`);
    await boot();
    const bootId = (await node.succeed(['cat', '/proc/sys/kernel/random/boot_id'])).trim();
    say(`${node.name} has booted after ${seconds(started)} s`);
    let refusal = 'the API server has no such Node';
    const isReady = () => {
      if (!node.isRunning) throw new ClusterError(`${node.name} has ended`);
      const object = this.#controller.known.find(({ metadata }) => metadata.name === node.name);
      if (object === undefined) return false;
      const condition = object.status?.conditions?.find(({ type }) => type === 'Ready');
      refusal = condition?.message ?? 'it has no condition Ready';
      return condition?.status === 'True' && object.status?.nodeInfo?.bootID === bootId;
    };
    const options = { timeoutMs: readyWithinMs, say, ...(signal === undefined ? {} : { signal }) };
    await waitUntil(`${node.name} to be Ready`, isReady, options).catch(async (error: unknown) => {
      if (!(error instanceof Error) || signal?.aborted === true) throw error;
      throw new ClusterError(`${error.message}: ${refusal}\n${await kubeletEnd(node)}`);
    });
    say(`${node.name} is Ready after ${seconds(started)} s, at ${node.addresses.join(' and ')}`);
  }
}

async function kubeletEnd(node: ClusterNode): Promise<string> {
  if (!node.isRunning) return '';
  const { stdout } = await node.run(['sh', '-c', 'tail -n 8 /var/log/kubelet.log /var/log/containerd.log']);
  return stdout;
}

/** Joins the wire of a machine to those of the others. */
async function plugIn(namespace: NetworkNamespace, tap: string): Promise<void> {
  await namespace.ip(
    `tuntap add dev ${tap} mode tap`,
    `link set ${tap} txqueuelen ${waitingFrames} ${NO_SEGMENTATION} master bridge up`,
  );
}

/** The wires between the nodes, in a namespace of their own. */
async function makeBridge(namespace: NetworkNamespace): Promise<void> {
  await namespace.ip(
    'link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    ...withPrefix(controlPlaneAddresses).map(
      (address) => `address add ${address} dev bridge${address.includes(':') ? ' nodad' : ''}`,
    ),
    `address add ${controlPlaneLinkLocal}/64 dev bridge nodad`,
    `link set bridge ${NO_SEGMENTATION} up`,
  );
}

/** What nodes are called that nobody gives a name. */
export function nodeName(number: number): string {
  return `node-${number}`;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

const kubeletAccess = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'kubelet-api' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: kubeletClient.name }],
};
const readyWithinMs = 180_000;
/** For a guest that a busy machine does not run for seconds: the kernel's own 500 are half a second of streams. */
const waitingFrames = 10_000;
/**
 * A guest takes frames of the interface's MTU only, though its driver tells the TAP that it segments: what is longer is lost
 * without being counted, and TCP sends it again after 0.2 s.
 */
const NO_SEGMENTATION = 'gso_max_segs 1';
/** Enough for an IKE daemon. */
const neighbourMib = 256;
