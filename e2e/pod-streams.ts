import { BlockList } from 'node:net';

import type { Cluster } from '../hack/cluster/nodes/cluster.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import type { StreamEnd } from '../hack/lab/traffic/counted-stream.ts';
import { dumpPolicies, type PolicyDump } from '../hack/lab/xfrm/xfrm-dump.ts';
import { changed, type Manifest } from '../operator/api/testing/manifests.ts';
import { rowsVariable } from './lifecycle/cluster-rows.ts';
import { pairsOf } from './mesh-streams.ts';
import { podTrafficContainer, podTrafficPods, trafficPods } from './traffic-pods.ts';

/*
 * Streams between pods, in tunnel mode, beside those between nodes: where rows of the lifecycle matrix are wanted, which has both
 * modes. Other runs of the same tests do without them.
 */

const arePodsCounted = process.env[rowsVariable] !== undefined;

/** What the ends of all streams run in. */
export const trafficWorkloads: readonly object[] = arePodsCounted ? [trafficPods, podTrafficPods] : [trafficPods];

/** A peering by which all that streams send is encrypted. */
export function encryptingStreams(peering: Manifest): Manifest {
  return arePodsCounted ? changed(peering, 'spec.traffic', { scope: 'NodesAndPods' }) : peering;
}

/** The addresses of the pod on each node, IPv4 first, by the node's name, once packets between all of them are encrypted. */
export async function encryptedPods(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (!arePodsCounted) return new Map();
  const wait = { timeoutMs: 180_000, intervalMs: 500 };
  const pods = await waitUntil('a pod that ends streams on each node', () => podsOn(cluster, nodes), wait);
  const pairs = pairsOf(nodes).flatMap(([one, other]) => [[one, other] as const, [other, one] as const]);
  const areEncrypted = async () => {
    const policies = new Map(await Promise.all(nodes.map(async (node) => [node, await dumpPolicies(node)] as const)));
    return pairs.every(([from, to]) =>
      pods.get(to.name)?.every((address) => policies.get(from)?.some((policy) => isTunnelTo(policy, address))),
    );
  };
  await waitUntil('SAs between the pods of every two nodes', areEncrypted, wait);
  return pods;
}

/** Has the pod of a node started again, which gives it an address of what the node's networks are now. */
export async function startPodAnew({ controlPlane }: Cluster, node: string): Promise<void> {
  if (!arePodsCounted) return;
  const which = [`--selector=app=${podTrafficContainer}`, `--field-selector=spec.nodeName=${node}`];
  const { code, stderr } = await controlPlane.kubectl(['delete', 'pods', ...which, '--namespace=default']);
  if (code !== 0) throw new Error(`the pod of ${node} is not started again: ${stderr}`);
}

/** The end of a stream in the pod of a node. */
export function podEnd(pods: ReadonlyMap<string, readonly string[]>): (node: ClusterNode, family: 0 | 1) => StreamEnd {
  return (node, family) => ({
    node: node.containerEnd(podTrafficContainer),
    address: pods.get(node.name)?.[family] ?? '',
  });
}

async function podsOn(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  const where = [`--selector=app=${podTrafficContainer}`, '--namespace=default', '--output=json'];
  const { code, stdout } = await cluster.controlPlane.kubectl(['get', 'pods', ...where]);
  if (code !== 0) return undefined;
  const { items } = JSON.parse(stdout) as { readonly items: readonly Pod[] };
  const running = items.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True'),
  );
  const pods = new Map(running.map(({ spec, status }) => [spec.nodeName, status.podIPs?.map(({ ip }) => ip) ?? []]));
  return nodes.every(({ name }) => pods.get(name)?.length === 2) ? pods : undefined;
}

interface Pod {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Whether the policy sends to this address of a pod by an SA that the peer is known to have. */
function isTunnelTo({ direction, source, destination, templates }: PolicyDump, address: string): boolean {
  const [template] = templates;
  if (direction !== 'out' || template?.mode !== 'tunnel' || template.spi === 0) return false;
  // Of a pod's address to another pod's, not of a node's own.
  return contains(destination, address) && !/[/](?:32|128)$/.test(source);
}

function contains(network: string, address: string): boolean {
  const [base = '', prefix = ''] = network.split('/');
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  if (base.includes(':') !== (family === 'ipv6')) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family);
  return list.check(address, family);
}
