import { appendFileSync } from 'node:fs';

import type { Packet } from '../../hack/lab/capture/packet.ts';
import type { DirectionReport } from '../../hack/lab/traffic/counted-stream.ts';
import type { ClusterEventName } from './cluster-events.ts';
import { judge } from './judge.ts';
import { families, type Mode, modes } from './row.ts';
import { countedTraffic } from './traffic.ts';

/** The environment variable that names the file to which tests on a cluster write rows of the matrix; none without. */
export const rowsVariable = 'IKEMESH_LIFECYCLE_ROWS';

/** What a row is made of. */
export interface ClusterCounts {
  readonly event: ClusterEventName;
  /** Directions of streams, each with its mode, its addresses' family and its datagrams per second. */
  readonly directions: readonly {
    readonly mode: Mode;
    readonly ipv6: boolean;
    readonly rate: number;
    readonly report: DirectionReport;
  }[];
  /** What crossed the wires between the nodes of the streams. */
  readonly packets: readonly Pick<Packet, 'kind' | 'family' | 'summary' | 'source' | 'destination'>[];
  /** Between which packets go in tunnel mode; all others are of nodes. */
  readonly podAddresses: ReadonlySet<string>;
  /** What was not as it should be. */
  readonly failure: string | undefined;
  /** Seconds until a node that was away had all of its SAs again; nothing was sent to it before. */
  readonly recoverySeconds: number | undefined;
}

/** Writes the rows of an event, one for each mode and family, where somebody wants them. */
export function writeClusterRows(counted: ClusterCounts): void {
  const { event, directions, packets, podAddresses, failure, recoverySeconds } = counted;
  const file = process.env[rowsVariable];
  if (file === undefined) return;
  for (const [mode, family] of modes.flatMap((each) => families.map((other) => [each, other] as const))) {
    const ipv6 = family === 'IPv6';
    const own = packets.filter((each) => each.family === (ipv6 ? 6 : 4));
    const isOfPods = (address: string | undefined) => address !== undefined && podAddresses.has(address);
    const plaintext = own.filter(
      ({ kind, source, destination }) =>
        kind === 'plaintext' && (isOfPods(source) || isOfPods(destination)) === (mode === 'tunnel'),
    );
    const row = judge(
      { event, mode, family },
      {},
      {
        traffic: countedTraffic(directions.filter((each) => each.mode === mode && each.ipv6 === ipv6)),
        failure,
        outageSeconds: 0,
        drops: [],
        espPackets: own.filter(({ kind }) => kind === 'esp' || kind === 'espInUdp').length,
        plaintextPackets: plaintext.length,
        leaked: plaintext.map(({ summary }) => summary),
      },
    );
    const counts = row.counts && { ...row.counts, ...(recoverySeconds !== undefined && { recoverySeconds }) };
    appendFileSync(file, `${JSON.stringify({ ...row, ...(counts && { counts }) })}\n`);
  }
}
