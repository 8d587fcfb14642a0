import { readFileSync } from 'node:fs';

import { waitUntil } from '../runner/wait-until.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Link } from '../topology/link.ts';
import { type IkePorts, packetClassifier } from './packet.ts';
import { parsePcap } from './pcap.ts';
import { type CaptureReport, captureReport } from './report.ts';

/** A running tcpdump. */
export interface Capture {
  readonly file: string;
  /**
   * Waits until tcpdump has written every packet the kernel gave it, ends it and adds the packets up.
   * Throws when the kernel dropped packets: such a capture proves nothing.
   */
  stop(ports?: IkePorts): Promise<CaptureReport>;
}

export interface CaptureTarget {
  /** Where tcpdump is started. */
  readonly node: Pick<LabNode, 'spawn'>;
  readonly interface: string;
  /** Names of nodes by MAC address. */
  readonly senders: ReadonlyMap<string, string>;
  /** Where the pcap file goes. */
  readonly file: string;
}

/** The place on a link where everything that crosses it is seen once. */
export function onLink(link: Link, file: string): CaptureTarget {
  return { node: link.wire, interface: 'bridge', senders: link.senders, file };
}

/** Starts tcpdump and waits until it captures. */
export async function startCapture(target: CaptureTarget): Promise<Capture> {
  // -U and --immediate-mode: each packet is in the file when it is counted; -Z root: the file is in root's folder.
  // -s: each packet takes as much of the buffer, which held no more than 64 at the largest length.
  const words = ['-n', '-U', '--immediate-mode', '-s', '10240', '-B', '16384', '-Z', 'root', '-w', target.file];
  const daemon = target.node.spawn(`tcpdump-${target.interface}`, ['tcpdump', '-i', target.interface, ...words]);
  await daemon.said('listening on');
  return {
    file: target.file,
    stop: async (ports) => {
      await everythingWritten(daemon);
      daemon.signal('SIGINT');
      await daemon.exited();
      return readCapture(target, ports);
    },
  };
}

/** Reads a finished capture file. */
function readCapture(target: CaptureTarget, ports?: IkePorts): CaptureReport {
  const parsed = parsePcap(readFileSync(target.file));
  if (!parsed.ok) throw new Error(`${target.file}: ${parsed.error}`);
  const classify = packetClassifier(parsed.value.linkType, ports);
  const packets = parsed.value.packets.map((saved) => ({ ...classify(saved.bytes), at: saved.at }));
  return captureReport(packets, target.senders);
}

/**
 * On SIGUSR1 tcpdump says how many packets it received and wrote; the two differ while some wait in its buffer, and for
 * good on interfaces that show it a packet twice.
 */
async function everythingWritten(daemon: Daemon): Promise<void> {
  const read = () => tcpdumpCounters(daemon.log());
  const readings: string[] = [];
  await waitUntil('tcpdump to write the last packets', async () => {
    const before = read().length;
    daemon.signal('SIGUSR1');
    const latest = await waitUntil('tcpdump to count', () => (read().length > before ? read().at(-1) : undefined));
    if (latest.dropped > 0) throw new Error(`the kernel dropped ${latest.dropped} captured packets`);
    readings.push(JSON.stringify(latest));
    const steady = (count: number) => readings.length >= count && new Set(readings.slice(-count)).size === 1;
    return steady(latest.captured >= latest.received ? 2 : 8);
  });
}

/** tcpdump's counters, once for each time it printed them. */
export function tcpdumpCounters(
  log: string,
): readonly { readonly captured: number; readonly received: number; readonly dropped: number }[] {
  const pattern =
    /(\d+) packets? captured[,\s]+(\d+) packets? received by filter[,\s]+(\d+) packets? dropped by kernel/g;
  return [...log.matchAll(pattern)].map((match) => ({
    captured: Number(match[1]),
    received: Number(match[2]),
    dropped: Number(match[3]),
  }));
}
