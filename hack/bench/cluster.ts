import { Certificates } from '../../e2e/certificates.ts';
import { InstalledCluster } from '../../e2e/installed-cluster.ts';
import { startStreams } from '../../e2e/mesh-streams.ts';
import { hasSasWith } from '../../e2e/sas.ts';
import { trafficPods } from '../../e2e/traffic-pods.ts';
import { meshManifest } from '../../operator/api/testing/manifests.ts';
import { meshAuthority } from '../../operator/testing/cluster-nodes.ts';
import { PLACES } from '../../operator/testing/operator-cluster.ts';
import type { ClusterNode } from '../cluster/nodes/cluster-node.ts';
import { tellingWaits, waitUntil } from '../lab/runner/wait-until.ts';
import { dumpStates, type StateDump } from '../lab/xfrm/xfrm-dump.ts';
import type { Bench, BenchResult, Progress } from './bench.ts';
import { median } from './measure.ts';

/** What a user waits for in a cluster of three nodes, which share the processors with all of Kubernetes. */
export const clusterBench: Bench = {
  name: 'cluster',
  summary: 'from kubectl apply to the first encrypted packet, and from a renewed Secret to new SAs',
  needsCluster: true,
  // Standard output is for the results.
  run: async (extent, progress) => [await tellingWaits(progress, () => measure(ROUNDS[extent], progress))],
};

interface Round {
  /** Seconds from `kubectl apply` until the first packet of ESP was on the wire, all pairs had SAs, and the peering was Ready. */
  readonly applied: { readonly firstPacket: number; readonly allPairs: number; readonly ready: number };
  /** Seconds from the Secret until the node had new SAs with all peers by both families, and until the old ones were gone. */
  readonly renewed: { readonly newSas: number; readonly replaced: number };
}

async function measure(count: number, progress: Progress): Promise<BenchResult> {
  const installed = await InstalledCluster.start(NODES, progress);
  try {
    await installed.apply(trafficPods, ...meshAuthority());
    await installed.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=180s');
    const nodes = [...installed.cluster.nodes.values()];
    const rounds: Round[] = [];
    while (rounds.length < count) {
      progress(`round ${rounds.length + 1} of ${count}: a peering of all nodes`);
      const applied = await applyPeering(installed, nodes);
      progress(`round ${rounds.length + 1} of ${count}: another certificate`);
      const renewed = await renewCertificate(installed, nodes);
      rounds.push({ applied, renewed });
      await removePeering(installed, nodes);
    }
    const [node] = nodes;
    const kernel = (await node?.succeed(['uname', '-r']))?.trim() ?? '';
    return resultOf(rounds, kernel);
  } finally {
    await installed.close();
  }
}

function resultOf(rounds: readonly Round[], kernel: string): BenchResult {
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  return {
    bench: 'cluster',
    parameters: { nodes: NODES.length, rounds: rounds.length, kernel },
    figures: {
      firstPacketSeconds: middle(({ applied }) => applied.firstPacket),
      allPairsSeconds: middle(({ applied }) => applied.allPairs),
      readySeconds: middle(({ applied }) => applied.ready),
      renewedSeconds: middle(({ renewed }) => renewed.newSas),
      replacedSeconds: middle(({ renewed }) => renewed.replaced),
    },
    targets: [],
  };
}

/** While datagrams flow between all nodes, which are in plaintext at first. */
async function applyPeering(installed: InstalledCluster, nodes: readonly ClusterNode[]): Promise<Round['applied']> {
  const streams = await startStreams({ nodes, rate: DATAGRAMS_PER_SECOND });
  const wire = await installed.cluster.capture();
  const begunMs = Date.now();
  await installed.apply(meshManifest);
  const hasAll = async () => {
    const dumps = await Promise.all(nodes.map(dumpStates));
    return nodes.every((node, index) => othersOf(node, nodes).every((peer) => hasSasWith(dumps[index] ?? [], peer)));
  };
  await waitUntil('SAs of every pair', hasAll, WAIT);
  const allPairs = secondsSince(begunMs);
  await installed.kubectl('wait', '--for=condition=Ready', '--timeout=180s', 'ipsecpeering/cluster');
  const ready = secondsSince(begunMs);
  await Promise.all(streams.map((stream) => stream.stop()));
  const { packets } = await wire.stop();
  const first = packets.find(({ kind }) => kind === 'esp' || kind === 'espInUdp');
  if (first?.at === undefined) throw new Error('no packet of ESP was on the wire although every pair has its SAs');
  return { firstPacket: first.at - begunMs / 1_000, allPairs, ready };
}

async function renewCertificate(installed: InstalledCluster, nodes: readonly ClusterNode[]): Promise<Round['renewed']> {
  const [node] = nodes;
  if (node === undefined) throw new Error('the cluster has no nodes');
  const name = await installed.kubectl(
    ...['get', 'ipsecnodeconfig', node.name, '--output=jsonpath={.status.peerings[0].certificate.secretName}'],
  );
  const version = () =>
    installed.kubectl(
      ...[
        'get',
        'secret',
        name,
        `--namespace=${PLACES.nodesNamespace}`,
        '--output=jsonpath={.metadata.resourceVersion}',
      ],
    );
  const before = await version();
  const old = new Set((await dumpStates(node)).map(({ spi }) => spi));
  await new Certificates(installed).renewOf(node.name);
  await waitUntil('the Secret to be another', async () => (await version()) !== before, WAIT);
  const begunMs = Date.now();
  const states = async (isOf: (state: StateDump) => boolean) => (await dumpStates(node)).filter(isOf);
  const hasNew = async () => {
    const recent = await states(({ spi }) => !old.has(spi));
    return othersOf(node, nodes).every((peer) => hasSasWith(recent, peer));
  };
  await waitUntil('new SAs with every peer', hasNew, WAIT);
  const newSas = secondsSince(begunMs);
  await waitUntil('the old SAs to go', async () => (await states(({ spi }) => old.has(spi))).length === 0, WAIT);
  return { newSas, replaced: secondsSince(begunMs) };
}

/** With its certificates, so that the next round begins as the first one did. */
async function removePeering(installed: InstalledCluster, nodes: readonly ClusterNode[]): Promise<void> {
  await installed.kubectl('delete', 'ipsecpeering', 'cluster');
  const isGone = async () => {
    const dumps = await Promise.all(nodes.map(dumpStates));
    const certificates = await installed.kubectl(
      ...['get', 'certificates', `--namespace=${PLACES.nodesNamespace}`, '--output=name'],
    );
    return dumps.every(({ length }) => length === 0) && !certificates.includes('/ike-');
  };
  await waitUntil('its SAs and certificates to go', isGone, WAIT);
}

function othersOf(node: ClusterNode, nodes: readonly ClusterNode[]): readonly ClusterNode[] {
  return nodes.filter((other) => other !== node);
}

function secondsSince(begunMs: number): number {
  return (Date.now() - begunMs) / 1_000;
}

const NODES = ['node-a', 'node-b', 'node-c'];
const ROUNDS = { quick: 1, full: 5 };
/** The first of them that is encrypted is found to 50 ms. */
const DATAGRAMS_PER_SECOND = 20;
const WAIT = { timeoutMs: 180_000, intervalMs: 100 };
