import type { Lab } from '../../hack/lab/runner/scenario.ts';
import type { ConnectionReport, KeptConnection } from '../../hack/lab/traffic/connection.ts';
import type { CountedStream, DirectionReport, StreamEnd } from '../../hack/lab/traffic/counted-stream.ts';

/** What became of all packets. */
export interface TrafficReport {
  readonly sent: number;
  readonly lost: number;
  /** For how long the direction that had it worst was without packets, by what it lost. */
  readonly darkSeconds: number;
  /** What was lost or repeated where, for people. */
  readonly directions: readonly string[];
  /** Undefined where it was closed before. */
  readonly connection: ConnectionReport | undefined;
}

/** Numbered datagrams both ways between all pairs of nodes, and a TCP connection between the first two. */
export class Traffic {
  readonly #lab: Lab;
  readonly #ended: { readonly rate: number; readonly report: DirectionReport }[] = [];
  #streams: readonly { readonly nodes: readonly string[]; readonly stream: CountedStream }[] = [];
  #connects = true;
  #connection: KeptConnection | undefined;
  #port = FIRST_PORT;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Starts the streams between these ends, and opens the connection where there is none. */
  async start(ends: readonly StreamEnd[]): Promise<void> {
    const [client, server] = ends;
    if (this.#connects && client !== undefined && server !== undefined) {
      this.#connection = await this.#lab.connection(client, server, CONNECTION_PORT);
      this.#connects = false;
    }
    const pairs = ends.flatMap((one, index) => ends.slice(index + 1).map((other) => [one, other] as const));
    // One pair has as much as a guest with one processor and all of these programs passes on in time; three share it.
    const rate = pairs.length === 1 ? 200 : 100;
    const started = pairs.map(async (pair) => {
      this.#port += 1;
      const stream = await this.#lab.stream({ ends: pair, rate, port: this.#port });
      return { nodes: pair.map(({ node }) => node.name), stream };
    });
    this.#streams = await Promise.all(started);
  }

  /** Closes the connection, which cannot survive what is to come. */
  async disconnect(): Promise<void> {
    await this.#connection?.close();
    this.#connection = undefined;
  }

  /** A node sends nothing, as if it were not there. */
  pause(node: string): void {
    for (const { nodes, stream } of this.#streams) if (nodes.includes(node)) stream.pause(node);
  }

  /** It sends again. */
  resume(node: string): void {
    for (const { nodes, stream } of this.#streams) if (nodes.includes(node)) stream.resume(node);
  }

  /** Ends the streams; what they counted is kept for the report. */
  async stop(): Promise<void> {
    const streams = this.#streams.map(({ stream }) => stream);
    this.#streams = [];
    for (const [index, reports] of (await Promise.all(streams.map((each) => each.stop()))).entries()) {
      for (const report of reports) this.#ended.push({ rate: streams[index]?.rate ?? 0, report });
    }
  }

  /** Ends everything that still runs, after nodes were cut off for so long. */
  async report(outageSeconds: number): Promise<TrafficReport> {
    const connection = await this.#connection?.close(1000 * outageSeconds);
    await this.stop();
    return countedTraffic(this.#ended, connection);
  }
}

/** What became of the packets of streams that have ended. */
export function countedTraffic(
  ended: readonly { readonly rate: number; readonly report: DirectionReport }[],
  connection?: ConnectionReport,
): TrafficReport {
  const directions = ended.map(({ rate, report }) => ({ rate, ...countsOf(report) }));
  return {
    sent: sum(directions.map(({ sent }) => sent)),
    lost: sum(directions.map(({ lost }) => lost)),
    darkSeconds: Math.max(0, ...directions.map(({ lost, rate }) => lost / rate)),
    directions: directions.flatMap(({ text }) => (text === undefined ? [] : [text])),
    connection,
  };
}

/** What the kernel refused to send counts as sent and lost: for whoever sends it makes no difference. */
function countsOf({ from, to, sent, lost, refused, duplicated, longestGapMs }: DirectionReport) {
  const refusals = sum(Object.values(refused));
  const faults = [
    ...(lost > 0 ? [`${lost} lost`] : []),
    ...Object.entries(refused).map(([code, count]) => `${count} refused with ${code}`),
    ...(duplicated > 0 ? [`${duplicated} twice`] : []),
  ];
  const text =
    faults.length === 0 ? undefined : `${from} to ${to}: ${faults.join(', ')}, longest gap ${longestGapMs} ms`;
  return { sent: sent + refusals, lost: lost + refusals, text };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const FIRST_PORT = 7000;
const CONNECTION_PORT = 8443;
