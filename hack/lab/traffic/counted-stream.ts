import { waitUntil } from '../runner/wait-until.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { SequenceCounts } from './sequence-counter.ts';

/** What a stream needs of the program at one end, wherever it runs. */
export type StreamProgram = Pick<Daemon, 'log' | 'write' | 'said' | 'exited'>;

/** One end of a stream. */
export interface StreamEnd {
  readonly node: { readonly name: string; spawn(label: string, command: readonly string[]): StreamProgram };
  readonly address: string;
  /** What the other end has to send to, where a NAT makes that another one. */
  readonly seenAs?: string;
}

export interface StreamOptions {
  readonly ends: readonly [StreamEnd, StreamEnd];
  /** Datagrams per second in each direction. Default 100. */
  readonly rate?: number;
  /** Bytes of payload. Default 64. */
  readonly size?: number;
  /** UDP port at both ends. Default 7000. */
  readonly port?: number;
  /** What is started at both ends: the bundled program of udp-peer.ts, or a command that does the same. */
  readonly program: string | readonly string[];
}

/** What became of the datagrams of one direction. */
export interface DirectionReport extends SequenceCounts {
  readonly from: string;
  readonly to: string;
  /** Datagrams that the sender's kernel accepted. */
  readonly sent: number;
  /** Datagrams that it refused, by error code: EPERM is a blocking policy. */
  readonly refused: Readonly<Record<string, number>>;
  readonly lost: number;
}

/** A stream in both directions that runs until it is stopped. */
export interface CountedStream {
  /** Datagrams per second in each direction. */
  readonly rate: number;
  /** Has one end send nothing for a while; it still receives. */
  pause(node: string): void;
  /** Has it go on with the next number. */
  resume(node: string): void;
  /** Stops sending, gives the last datagrams time to arrive, and tells what became of each. */
  stop(drainMs?: number): Promise<readonly [DirectionReport, DirectionReport]>;
}

/** Starts numbered UDP datagrams in both directions; both ends listen before either sends. */
export async function startCountedStream(options: StreamOptions): Promise<CountedStream> {
  const { rate = 100, size = 64, port = 7000, program } = options;
  const [one, other] = options.ends;
  const start = (end: StreamEnd, peer: StreamEnd) => {
    const to = peer.seenAs ?? peer.address;
    const words = ['--local', end.address, '--remote', to, '--port', port, '--rate', rate, '--size', size];
    const command = typeof program === 'string' ? ['node', program] : program;
    return end.node.spawn(`stream-${port}`, [...command, ...words.map(String)]);
  };
  const daemons = [start(one, other), start(other, one)] as const;
  await Promise.all(daemons.map((daemon) => daemon.said(/^ready$/m)));
  for (const daemon of daemons) daemon.write('go\n');
  const order = (node: string, word: string) => daemons[one.node.name === node ? 0 : 1].write(`${word}\n`);
  return {
    rate,
    pause: (node) => order(node, 'pause'),
    resume: (node) => order(node, 'go'),
    stop: async (drainMs = 500) => {
      const sent = await Promise.all(daemons.map((daemon) => answer<Sent>(daemon, 'stop', 'stopped')));
      await drained(drainMs);
      const counts = await Promise.all(daemons.map((daemon) => answer<SequenceCounts>(daemon, 'report', 'report')));
      await Promise.all(daemons.map((daemon) => daemon.exited()));
      return [
        directionReport(one.node.name, other.node.name, sent[0], counts[1]),
        directionReport(other.node.name, one.node.name, sent[1], counts[0]),
      ];
    },
  };
}

/** Throws unless both directions lost, refused and duplicated nothing, and something was sent. */
export function expectNothingLost(directions: readonly DirectionReport[]): void {
  const faults = directions.filter(
    ({ sent, lost, duplicated, refused }) =>
      sent === 0 || lost !== 0 || duplicated !== 0 || Object.keys(refused).length > 0,
  );
  if (faults.length > 0) throw new Error(`the stream suffered: ${faults.map(directionText).join('; ')}`);
}

/** One direction in words. */
function directionText(report: DirectionReport): string {
  const refused = Object.entries(report.refused).map(([code, count]) => `, ${count} refused with ${code}`);
  const counts = `${report.lost} of ${report.sent} lost, ${report.duplicated} twice, longest gap ${report.longestGapMs} ms`;
  return `${report.from} to ${report.to}: ${counts}${refused.join('')}`;
}

interface Sent {
  readonly attempted: number;
  readonly refused: Readonly<Record<string, number>>;
}

function directionReport(from: string, to: string, sent?: Sent, counts?: SequenceCounts): DirectionReport {
  if (sent === undefined || counts === undefined) throw new Error(`no counts of the stream from ${from} to ${to}`);
  const accepted = sent.attempted - Object.values(sent.refused).reduce((sum, count) => sum + count, 0);
  return { ...counts, from, to, sent: accepted, refused: sent.refused, lost: accepted - counts.received };
}

async function answer<T>(daemon: StreamProgram, order: string, word: string): Promise<T> {
  daemon.write(`${order}\n`);
  const pattern = new RegExp(`^${word} (.*)$`, 'm');
  await daemon.said(pattern);
  return JSON.parse(pattern.exec(daemon.log())?.[1] ?? 'null') as T;
}

async function drained(ms: number): Promise<void> {
  const until = performance.now() + ms;
  await waitUntil('the last datagrams', () => performance.now() >= until, { timeoutMs: ms + 1000, intervalMs: ms / 4 });
}
