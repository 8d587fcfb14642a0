import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { type CountedStream, type StreamEnd, startCountedStream } from '../hack/lab/traffic/counted-stream.ts';
import { trafficContainer } from './traffic-pods.ts';

/** Which streams flow between nodes. */
export interface MeshStreams {
  readonly nodes: readonly ClusterNode[];
  /**
   * Datagrams of IPv4 per second, each way, between all pairs. By default one pair has 200 and the others few, as IPv6 always
   * has: more at a time would be much for two processors that also run what is tested.
   */
  readonly rate?: number;
  /** Where the streams of a node end, by family, IPv4 first. By default at its own addresses. */
  readonly end?: (node: ClusterNode, family: 0 | 1) => StreamEnd;
}

/** Every two of the nodes. */
export function pairsOf(nodes: readonly ClusterNode[]): readonly (readonly [ClusterNode, ClusterNode])[] {
  return nodes.flatMap((one, index) => nodes.slice(index + 1).map((other) => [one, other] as const));
}

/**
 * Starts streams between all pairs of nodes by both families, whose ends run in the traffic pods. All of them send when this is
 * done; where one cannot, none does.
 */
export async function startStreams({ nodes, rate, end = nodeEnd }: MeshStreams): Promise<readonly CountedStream[]> {
  const starting = pairsOf(nodes).flatMap(([one, other], index) =>
    ([0, 1] as const).map((family) => {
      const high = rate ?? (index === 0 ? HIGH_RATE : LOW_RATE);
      // Never again the same: what did not end would be in the way.
      const port = nextPort++;
      return startCountedStream({
        ends: [end(one, family), end(other, family)],
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

function nodeEnd(node: ClusterNode, family: 0 | 1): StreamEnd {
  return { node: node.containerEnd(trafficContainer), address: node.addresses[family] };
}

/** Whether a stream, by its place among those of `startStreams`, is of IPv6: each pair has one of IPv4 and then one of it. */
export function isOfIpv6(index: number): boolean {
  return index % 2 === 1;
}

/** Time for the last datagrams to arrive, on a busy machine. */
export const DRAIN_MS = 2_000;
const HIGH_RATE = 200;
const LOW_RATE = 20;
let nextPort = 7000;
