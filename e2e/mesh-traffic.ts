import { expect } from 'vitest';

import type { Cluster } from '../hack/cluster/nodes/cluster.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { type CountedStream, expectNothingLost, startCountedStream } from '../hack/lab/traffic/counted-stream.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../hack/lab/xfrm/xfrm-stat.ts';
import { trafficContainer } from './traffic-pods.ts';

/** What flows between nodes. */
export interface MeshTraffic {
  readonly cluster: Cluster;
  readonly nodes: readonly ClusterNode[];
  /**
   * Datagrams of IPv4 per second, each way, between all pairs. By default one pair has 200 and the others few, as IPv6 always
   * has: more at a time would be much for two processors that also run what is tested.
   */
  readonly rate?: number;
}

/** Every two of the nodes. */
function pairsOf(nodes: readonly ClusterNode[]): readonly (readonly [ClusterNode, ClusterNode])[] {
  return nodes.flatMap((one, index) => nodes.slice(index + 1).map((other) => [one, other] as const));
}

/**
 * Streams between all pairs of nodes by both families while something happens: nothing is lost, the wires between these
 * nodes show ESP, IKE and address resolution only, and IPsec on none of them drops a packet.
 */
export async function whileTrafficFlows(traffic: MeshTraffic, happens: () => Promise<unknown>): Promise<void> {
  const { cluster, nodes } = traffic;
  const counters = new Map(await Promise.all(nodes.map(async (node) => [node, await readXfrmStat(node)] as const)));
  const wire = await cluster.capture();
  const streams = await startStreams(traffic);
  const failure = await happens().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const reports = await Promise.all(streams.map((stream) => stream.stop(DRAIN_MS)));
  const { packets } = await wire.stop();
  if (failure !== undefined) throw failure.error;
  // First what the kernel counts as drops: it says why a packet was lost.
  for (const [node, before] of counters) await expectNoXfrmDrops(node, before);
  const sent = reports.flat().reduce((sum, report) => sum + report.sent, 0);
  const gap = Math.max(...reports.flat().map(({ longestGapMs }) => longestGapMs));
  const addresses = new Set<string>(nodes.flatMap((node) => node.addresses));
  const between = packets.filter(({ source, destination }) => addresses.has(source) && addresses.has(destination));
  const esp = between.filter(({ kind }) => kind === 'esp').length;
  // Where datagrams are lost, this tells whether before the wire or behind it.
  process.stdout.write(
    `    ${sent} datagrams in ${2 * streams.length} directions, ${esp} ESP packets, the longest gap ${gap} ms\n`,
  );
  expectNothingLost(reports.flat());
  expect(esp).toBeGreaterThanOrEqual(sent);
  expect(between.filter(({ kind }) => kind === 'plaintext').map(({ summary }) => summary)).toEqual([]);
}

/** All of them send when this is done; where one cannot, none does. */
async function startStreams({ nodes, rate }: MeshTraffic): Promise<readonly CountedStream[]> {
  const starting = pairsOf(nodes).flatMap(([one, other], index) =>
    ([0, 1] as const).map((family) => {
      const high = rate ?? (index === 0 ? HIGH_RATE : LOW_RATE);
      const end = (node: ClusterNode) => ({
        node: node.containerEnd(trafficContainer),
        address: node.addresses[family],
      });
      // Never again the same: what did not end would be in the way.
      const port = nextPort++;
      return startCountedStream({
        ends: [end(one), end(other)],
        program: ['/traffic', 'stream'],
        rate: family === 0 ? high : LOW_RATE,
        port,
      });
    }),
  );
  const outcomes = await Promise.allSettled(starting);
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return started;
  await Promise.all(started.map((stream) => stream.stop(0)));
  throw failed.reason;
}

const HIGH_RATE = 200;
const LOW_RATE = 20;
let nextPort = 7000;
const DRAIN_MS = 2_000;
