import { constants } from 'node:os';
import { join, relative } from 'node:path';

import { agentStatusText } from '../../e2e/agent-status.ts';
import { InstalledCluster } from '../../e2e/installed-cluster.ts';
import { DRAIN_MS, startStreams } from '../../e2e/mesh-streams.ts';
import { trafficPods } from '../../e2e/traffic-pods.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import type { ClusterNode } from '../cluster/nodes/cluster-node.ts';
import { whyNoNodes } from '../cluster/nodes/why-no-nodes.ts';
import { Interruption } from '../lab/host/interruption.ts';
import { LabError } from '../lab/host/lab-error.ts';
import { tellingWaits, waitUntil } from '../lab/runner/wait-until.ts';
import type { DirectionReport } from '../lab/traffic/counted-stream.ts';
import { dumpStates } from '../lab/xfrm/xfrm-dump.ts';
import { readDrops } from './drops.ts';
import type { DemoEnd, DemoOutput } from './in-lab.ts';
import { awaitReady } from './peering-progress.ts';
import { renewCertificate } from './renewal-on-cluster.ts';
import { Story } from './story.ts';
import { brokenPromises, type DemoResult, verdictTable } from './verdict.ts';

/**
 * The demo on a real Kubernetes: the chart by Helm, certificates by cert-manager, a peering by kubectl. Everything is taken
 * down in the end, also when a signal ends it before.
 * @throws LabError where this machine runs no nodes.
 */
export async function runOnCluster({ narrate, complain }: DemoOutput): Promise<DemoEnd> {
  const reason = await whyNoNodes();
  if (reason !== undefined) {
    throw new LabError(
      `this machine runs no nodes of a cluster: ${reason}; without --cluster the demo needs nothing but root`,
    );
  }
  const story = new Story(narrate);
  const interruption = new Interruption();
  interruption.aborted.addEventListener('abort', () => story.tell('interrupted: everything is taken down'));
  try {
    return await tellingWaits(
      (line) => story.tell(line),
      () => tellAll(story, interruption.aborted),
    );
  } catch (error) {
    // What was interrupted fails in whatever way it can.
    if (interruption.by !== undefined) return { code: 128 + constants.signals[interruption.by], result: undefined };
    if (error instanceof ClusterError || error instanceof LabError || !(error instanceof Error)) throw error;
    complain(`   not as promised: ${error.message}\n`);
    return { code: 1, result: undefined };
  } finally {
    interruption.stopListening();
  }
}

async function tellAll(story: Story, signal: AbortSignal): Promise<DemoEnd> {
  const startedMs = Date.now();
  story.step('A Kubernetes of three nodes, each with a kernel of its own, with cert-manager; then `helm install`');
  const installed = await InstalledCluster.start(NODES, (line) => story.tell(line), signal);
  try {
    story.tell(`installed after ${secondsSince(startedMs)} s`);
    const result = await demo(installed, story, startedMs);
    const broken = brokenPromises(result, ASSOCIATIONS, CROSSINGS);
    story.tell('', ...broken.map((promise) => `not as promised: ${promise}`));
    return { code: broken.length === 0 ? 0 : 1, result: JSON.stringify(result) };
  } catch (error) {
    if (!signal.aborted) story.tell('', ...(await podsAsTheyAre(installed)));
    throw error;
  } finally {
    await installed.close();
  }
}

/** For whoever has to find out why it failed. */
async function podsAsTheyAre(installed: InstalledCluster): Promise<readonly string[]> {
  const { stdout, stderr } = await installed.cluster.controlPlane.kubectl(['get', 'pods', '--all-namespaces']);
  return `kubectl get pods --all-namespaces\n${stdout}${stderr}`.trimEnd().split('\n');
}

async function demo(installed: InstalledCluster, story: Story, startedMs: number): Promise<DemoResult> {
  const nodes = [...installed.cluster.nodes.values()];
  await applyMesh(installed, nodes, story);

  const [, renewed = nodes[0] as ClusterNode] = nodes;
  story.step(`cert-manager renews the certificate of ${renewed.name}, while packets flow between all nodes`);
  const drops = await readDrops(nodes);
  const wire = await installed.cluster.capture();
  const { reports } = await whileStreamsFlow(nodes, () => renew(installed, renewed, nodes, story));
  const { packets } = await wire.stop();
  const sent = sum(reports.map((report) => report.sent + refusedOf(report)));
  const lost = sum(reports.map((report) => report.lost + refusedOf(report)));
  story.tell(`${sent} datagrams meanwhile, ${lost} of them lost`);

  story.step('What crossed the wires between the nodes, and what was promised');
  const addresses = new Set<string>(nodes.flatMap((node) => node.addresses));
  const between = packets.filter(({ source, destination }) => addresses.has(source) && addresses.has(destination));
  const esp = between.filter(({ kind }) => kind === 'esp' || kind === 'espInUdp');
  const plaintext = between.filter(({ kind }) => kind === 'plaintext');
  const dropped = await drops.since();
  const result: DemoResult = {
    nodes: nodes.length,
    sentPackets: sent,
    lostPackets: lost,
    droppedPackets: sum(dropped.map((each) => each.packets)),
    espPackets: esp.length,
    plaintextPackets: plaintext.length,
    securityAssociations: await countAssociations(nodes),
    certificatesRotated: 1,
    kernel: (await renewed.succeed(['uname', '-r'])).trim(),
    seconds: Number(secondsSince(startedMs)),
  };
  story.tell(...verdictTable(result, ASSOCIATIONS, CROSSINGS));
  story.tell(...dropped.map(({ node, reason, packets: count }) => `dropped on ${node}: ${count} by ${reason}`));
  story.tell(...plaintext.slice(0, SAMPLES).map(({ summary }) => `plaintext: ${summary}`));

  const [shown = renewed] = nodes;
  story.step(`The SAs of ${shown.name}, as \`kubectl exec\` of \`agent status\` in its agent's pod shows them`);
  story.tell('', ...(await agentStatusText(installed, shown.name)).trimEnd().split('\n'));
  return result;
}

/** Applies the manifests and waits until every pair encrypts, and the peering says so. */
async function applyMesh(installed: InstalledCluster, nodes: readonly ClusterNode[], story: Story): Promise<void> {
  story.step('`kubectl apply`: an Issuer, and the IPsecPeering, which is all that a user writes');
  await installed.apply(trafficPods);
  const appliedMs = Date.now();
  for (const file of ['issuer.yaml', 'peering.yaml']) {
    const path = join(import.meta.dirname, 'cluster-manifests', file);
    story.tell(`kubectl apply --filename=${relative(process.cwd(), path)}`);
    await installed.kubectl('apply', `--filename=${path}`);
  }
  const wait = { timeoutMs: 120_000, intervalMs: 500 };
  await waitUntil('SAs of every pair', async () => (await countAssociations(nodes)) >= ASSOCIATIONS, wait);
  story.tell(`every pair has its SAs after ${secondsSince(appliedMs)} s`);
  await awaitReady(installed, 'mesh', (line) => story.tell(`after ${secondsSince(appliedMs)} s: ${line}`));
  story.tell('kubectl get ipsecpeerings', ...(await installed.kubectl('get', 'ipsecpeerings')).trimEnd().split('\n'));
  await installed.kubectl('rollout', 'status', 'daemonset/traffic', '--timeout=120s');
}

/** Streams between every two nodes by both families while something happens. */
async function whileStreamsFlow(
  nodes: readonly ClusterNode[],
  happens: () => Promise<void>,
): Promise<{ readonly reports: readonly DirectionReport[] }> {
  // Of a dozen streams each would tell what it waits for.
  const quietly = <T>(work: () => Promise<T>) => tellingWaits(() => undefined, work);
  const streams = await quietly(() => startStreams({ nodes }));
  const failure = await happens().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const reports = await quietly(() => Promise.all(streams.map((stream) => stream.stop(DRAIN_MS))));
  if (failure !== undefined) throw failure.error;
  return { reports: reports.flat() };
}

/** Renews a certificate, and waits until the SAs that were replaced are gone. */
async function renew(
  installed: InstalledCluster,
  renewed: ClusterNode,
  nodes: readonly ClusterNode[],
  story: Story,
): Promise<void> {
  const others = nodes.filter((node) => node !== renewed).map(({ name }) => name);
  const begunMs = Date.now();
  const serial = await renewCertificate(installed, renewed.name, others);
  story.tell(`serial ${serial} is proven to ${others.join(' and ')} after ${secondsSince(begunMs)} s`);
  const gone = async () => (await countAssociations(nodes)) === ASSOCIATIONS;
  await waitUntil('the replaced SAs to go', gone, { timeoutMs: 90_000, intervalMs: 1_000 });
}

async function countAssociations(nodes: readonly ClusterNode[]): Promise<number> {
  return sum((await Promise.all(nodes.map(dumpStates))).map((states) => states.length));
}

/** Datagrams that the sender's own kernel did not take. */
function refusedOf({ refused }: DirectionReport): number {
  return sum(Object.values(refused));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function secondsSince(startedMs: number): string {
  return ((Date.now() - startedMs) / 1000).toFixed(1);
}

const NODES = ['node-a', 'node-b', 'node-c'];
/** Of each node: two peers, two families, two directions. */
const ASSOCIATIONS = NODES.length * (NODES.length - 1) * 2 * 2;
/** Datagrams of streams are not answered: each crosses the wires once. */
const CROSSINGS = 1;
/** Of packets that are shown. */
const SAMPLES = 5;
