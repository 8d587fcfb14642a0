import { expect } from 'vitest';

import type { Cluster } from '../hack/cluster/nodes/cluster.ts';
import { type CountedStream, expectNothingLost } from '../hack/lab/traffic/counted-stream.ts';
import { type KernelDrops, kernelDropsText, readKernelDrops } from '../hack/lab/traffic/kernel-drops.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../hack/lab/xfrm/xfrm-stat.ts';
import { keepEvidence } from './evidence.ts';
import type { ClusterEventName } from './lifecycle/cluster-events.ts';
import { writeClusterRows } from './lifecycle/cluster-rows.ts';
import type { Mode } from './lifecycle/row.ts';
import { DRAIN_MS, isOfIpv6, type MeshStreams, startStreams } from './mesh-streams.ts';
import { encryptedPods, podEnd } from './pod-streams.ts';

/** What flows between nodes. */
export interface MeshTraffic extends MeshStreams {
  readonly cluster: Cluster;
}

/** The row of the lifecycle matrix that is filled by what is counted. */
export interface CountedEvent {
  readonly event: ClusterEventName;
  /** Where a node was away to which nothing was sent: seconds until it had its SAs again, once it has. */
  readonly recoverySeconds?: () => number | undefined;
}

/**
 * Streams between all pairs of nodes by both families while something happens: nothing is lost, the wires between these
 * nodes show ESP, IKE and address resolution only, and IPsec on none of them drops a packet.
 */
export async function whileTrafficFlows(
  traffic: MeshTraffic,
  happens: () => Promise<unknown>,
  counted?: CountedEvent,
): Promise<void> {
  const { cluster, nodes } = traffic;
  const pods = await encryptedPods(cluster, nodes);
  const counters = new Map(await Promise.all(nodes.map(async (node) => [node, await readXfrmStat(node)] as const)));
  const drops = await readDrops(traffic);
  const wire = await cluster.capture();
  try {
    const flowing = await startAll(traffic, pods);
    const streams = flowing.map(({ stream }) => stream);
    const failure = await happens().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const reports = await Promise.all(streams.map((stream) => stream.stop(DRAIN_MS)));
    const { packets } = await wire.stop();
    const dropped = await dropsSince(traffic, drops);
    const podAddresses = new Set([...pods.values()].flat());
    const addresses = new Set<string>([...nodes.flatMap((node) => node.addresses), ...podAddresses]);
    const between = packets.filter(({ source, destination }) => addresses.has(source) && addresses.has(destination));
    if (counted !== undefined) {
      const directions = flowing.flatMap(({ stream: { rate }, mode, ipv6 }, index) =>
        (reports[index] ?? []).map((report) => ({ mode, ipv6, rate, report })),
      );
      const text = failure && (failure.error instanceof Error ? failure.error.message : String(failure.error));
      const recoverySeconds = counted.recoverySeconds?.();
      const { event } = counted;
      writeClusterRows({ event, directions, packets: between, podAddresses, failure: text, recoverySeconds });
    }
    // Where packets are lost, this tells whether before the wire or behind it.
    const esp = between.filter(({ kind }) => kind === 'esp' || kind === 'espInUdp').length;
    const sent = reports.flat().reduce((sum, report) => sum + report.sent, 0);
    const gap = Math.max(...reports.flat().map(({ longestGapMs }) => longestGapMs));
    process.stdout.write(
      `    ${sent} datagrams in ${2 * streams.length} directions, ${esp} ESP packets, the longest gap ${gap} ms\n`,
    );
    if (dropped !== '') process.stdout.write(`    dropped by others than IPsec: ${dropped}\n`);
    if (failure !== undefined) throw failure.error;
    // First what the kernel counts as drops: it says why a packet was lost.
    for (const [node, before] of counters) await expectNoXfrmDrops(node, before);
    expect(between.filter(({ kind }) => kind === 'plaintext').map(({ summary }) => summary)).toEqual([]);
    expectNothingLost(reports.flat());
    expect(esp).toBeGreaterThanOrEqual(sent);
  } catch (error) {
    await keepEvidence(cluster, wire.file);
    throw error;
  }
}

/** A stream, between nodes in transport mode or between their pods in tunnel mode. */
interface FlowingStream {
  readonly stream: CountedStream;
  readonly mode: Mode;
  readonly ipv6: boolean;
}

/** Starts the streams between nodes and, where there are any, between their pods; all of them or none. */
async function startAll(
  traffic: MeshTraffic,
  pods: ReadonlyMap<string, readonly string[]>,
): Promise<readonly FlowingStream[]> {
  const flowing = (mode: Mode) => (stream: CountedStream, index: number) => ({ stream, mode, ipv6: isOfIpv6(index) });
  const ofNodes = await startStreams(traffic);
  if (pods.size === 0) return ofNodes.map(flowing('transport'));
  try {
    const ofPods = await startStreams({ ...traffic, end: podEnd(pods) });
    return [...ofNodes.map(flowing('transport')), ...ofPods.map(flowing('tunnel'))];
  } catch (error) {
    await Promise.all(ofNodes.map((stream) => stream.stop(0)));
    throw error;
  }
}

/** What the kernels of nodes and wires count as dropped, by whom. */
async function readDrops({ cluster, nodes }: MeshTraffic): Promise<ReadonlyMap<string, KernelDrops>> {
  const ofNodes = nodes.map(async (node) => [node.name, await readKernelDrops(node)] as const);
  return new Map([...(await Promise.all(ofNodes)), ['the wires', await cluster.wireDrops()] as const]);
}

async function dropsSince(traffic: MeshTraffic, before: ReadonlyMap<string, KernelDrops>): Promise<string> {
  const texts = [...(await readDrops(traffic))].map(([name, after]) => {
    const text = kernelDropsText(before.get(name) ?? new Map(), after);
    return text === '' ? [] : [`${name}: ${text}`];
  });
  return texts.flat().join('; ');
}
