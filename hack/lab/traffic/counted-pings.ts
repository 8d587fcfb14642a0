import type { Machine } from '../topology/lab-node.ts';

/** What became of a series of ICMP echo requests. */
export interface PingReport {
  readonly sent: number;
  readonly received: number;
  readonly duplicated: number;
  /** What ping said, for failures. */
  readonly output: string;
}

export interface PingOptions {
  readonly count?: number;
  /** Between requests; by default they are sent at once. */
  readonly intervalMs?: number;
  /** How long to wait for the last answer; with an interval never longer than that once others came. Default 1 s. */
  readonly waitMs?: number;
  /** Bytes behind the ICMP header. Default 56. */
  readonly size?: number;
  /** Source address or interface. */
  readonly from?: string;
  /** Sets DF and never fragments. */
  readonly doNotFragment?: boolean;
}

/** Pings an address of either family and counts; lost packets are a count, not a failure. @public */
export async function ping(node: Machine, address: string, options: PingOptions = {}): Promise<PingReport> {
  const { count = 3, waitMs = 1000, size = 56 } = options;
  // Whatever -W says, ping waits one interval, or twice the longest round trip, for the last answer once it had another.
  const { intervalMs = waitMs } = options;
  const command = [
    'ping',
    '-n',
    '-c',
    `${count}`,
    '-i',
    `${intervalMs / 1000}`,
    '-W',
    `${waitMs / 1000}`,
    '-s',
    `${size}`,
    ...(options.intervalMs === undefined ? ['-l', `${count}`] : []),
    ...(options.from === undefined ? [] : ['-I', options.from]),
    ...(options.doNotFragment === true ? ['-M', 'do'] : []),
    address,
  ];
  const done = await node.run(command, { timeoutMs: count * intervalMs + waitMs + 20_000 });
  return parsePing(`${done.stdout}${done.stderr}`);
}

/** Pings and throws unless every request was answered exactly once. */
export async function expectPing(node: Machine, address: string, options: PingOptions = {}): Promise<void> {
  const report = await ping(node, address, options);
  if (report.received === report.sent && report.sent > 0 && report.duplicated === 0) return;
  const counts = `${report.received} of ${report.sent} answered, ${report.duplicated} twice`;
  throw new Error(`ping from ${node.name} to ${address}: ${counts}\n${report.output}`);
}

/** Reads ping's summary line. */
export function parsePing(output: string): PingReport {
  const summary = /(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?/.exec(output);
  return {
    sent: Number(summary?.[1] ?? 0),
    received: Number(summary?.[2] ?? 0),
    duplicated: Number(summary?.[3] ?? 0),
    output,
  };
}
