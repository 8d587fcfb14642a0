import { appendFileSync } from 'node:fs';

import type { Packet } from '../../hack/lab/capture/packet.ts';
import type { DirectionReport } from '../../hack/lab/traffic/counted-stream.ts';
import type { ClusterEventName } from './cluster-events.ts';
import { judge } from './judge.ts';
import { families } from './row.ts';
import { countedTraffic } from './traffic.ts';

/** The environment variable that names the file to which tests on a cluster write rows of the matrix; none without. */
export const rowsVariable = 'IKEMESH_LIFECYCLE_ROWS';

/** What a row is made of. */
export interface ClusterCounts {
  readonly event: ClusterEventName;
  /** Directions of streams, each with its addresses' family and its datagrams per second. */
  readonly directions: readonly { readonly ipv6: boolean; readonly rate: number; readonly report: DirectionReport }[];
  /** What crossed the wires between the nodes of the streams. */
  readonly packets: readonly Pick<Packet, 'kind' | 'family' | 'summary'>[];
  /** What was not as it should be. */
  readonly failure: string | undefined;
  /** Seconds until a node that was away had all of its SAs again; nothing was sent to it before. */
  readonly recoverySeconds: number | undefined;
}

/** Writes the two rows of an event, one for each family, where somebody wants them. */
export function writeClusterRows({ event, directions, packets, failure, recoverySeconds }: ClusterCounts): void {
  const file = process.env[rowsVariable];
  if (file === undefined) return;
  for (const family of families) {
    const ipv6 = family === 'IPv6';
    const own = packets.filter((each) => each.family === (ipv6 ? 6 : 4));
    const plaintext = own.filter(({ kind }) => kind === 'plaintext');
    const row = judge(
      { event, mode: 'transport', family },
      {},
      {
        traffic: countedTraffic(directions.filter((each) => each.ipv6 === ipv6)),
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
