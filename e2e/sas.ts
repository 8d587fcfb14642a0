import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { dumpPolicies, dumpStates, type StateDump } from '../hack/lab/xfrm/xfrm-dump.ts';

/** Whether the kernel of a node has SAs in both directions with every address of a peer. */
export function hasSasWith(states: readonly StateDump[], peer: ClusterNode): boolean {
  return peer.addresses.every(
    (address) =>
      states.some(({ source }) => source === address) && states.some(({ destination }) => destination === address),
  );
}

/** Waits until every two of the nodes have SAs in both directions by both families, at both ends. */
export async function allPairsEncrypt(nodes: readonly ClusterNode[], timeoutMs = 180_000): Promise<void> {
  const isDone = async () => {
    const dumps = await Promise.all(nodes.map(dumpStates));
    return nodes.every((node, index) => nodes.every((peer) => peer === node || hasSasWith(dumps[index] ?? [], peer)));
  };
  const names = nodes.map(({ name }) => name).join(', ');
  await waitUntil(`SAs between all of ${names}`, isDone, { timeoutMs, intervalMs: 500 });
}

/** The SPIs of all SAs that a node has with a peer, in order. */
export async function spisWith(node: ClusterNode, peer: ClusterNode): Promise<readonly number[]> {
  const addresses = new Set<string>(peer.addresses);
  const states = await dumpStates(node);
  return states
    .filter(({ source, destination }) => addresses.has(source) || addresses.has(destination))
    .map(({ spi }) => spi)
    .sort();
}

/** Whether any SA or policy of a node is about one of the addresses. */
export async function knows(node: ClusterNode, addresses: readonly string[]): Promise<boolean> {
  const [states, policies] = [await dumpStates(node), await dumpPolicies(node)];
  const ends = [...states, ...policies].flatMap(({ source, destination }) => [source, destination]);
  return ends.some((end) => addresses.includes(end.replace(/[/]\d+$/, '')));
}
