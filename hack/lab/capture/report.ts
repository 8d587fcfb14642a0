import type { Packet, PacketKind } from './packet.ts';

/** Packets by kind; fragments behind the first one are counted in `laterFragments` only. */
export type PacketCounts = Readonly<Record<PacketKind | 'laterFragments', number>>;

/** What a capture saw. */
export interface CaptureReport {
  readonly packets: readonly Packet[];
  readonly total: PacketCounts;
  /** By the name of the sending node; a MAC address where no node has it. */
  readonly bySender: ReadonlyMap<string, PacketCounts>;
  /** The first plaintext packets, for people. */
  readonly plaintextSamples: readonly string[];
}

/** Adds packets up. `senders` names the nodes by MAC address. */
export function captureReport(packets: readonly Packet[], senders: ReadonlyMap<string, string>): CaptureReport {
  const named = (packet: Packet) => senders.get(packet.sender) ?? packet.sender;
  const plaintext = packets.filter((packet) => packet.kind === 'plaintext');
  return {
    packets,
    total: countPackets(packets),
    bySender: new Map([...Map.groupBy(packets, named)].map(([sender, sent]) => [sender, countPackets(sent)] as const)),
    plaintextSamples: plaintext.slice(0, maxSamples).map((packet) => `${named(packet)}: ${packet.summary}`),
  };
}

/** How many packets of each kind. */
function countPackets(packets: readonly Packet[]): PacketCounts {
  const counts = { ...noPackets };
  for (const packet of packets) {
    // A plaintext fragment leaks as much as a whole packet.
    counts[packet.laterFragment && packet.kind !== 'plaintext' ? 'laterFragments' : packet.kind] += 1;
  }
  return counts;
}

/** What a leak check demands beside the absence of plaintext. */
export interface EspExpectation {
  /** At least this many ESP packets, in UDP or not, from each of these nodes. Default: at least one in all. */
  readonly atLeastFrom?: Readonly<Record<string, number>>;
  /** Packets that may pass in the clear, such as the ICMP errors of path MTU discovery. */
  readonly allowed?: (packet: Packet) => boolean;
}

/** What is wrong with a capture that should show nothing but ESP, IKE and address resolution; empty when all is well. */
export function leakFaults(report: CaptureReport, expectation: EspExpectation = {}): readonly string[] {
  const leaked = report.packets.filter(
    (packet) => packet.kind === 'plaintext' && expectation.allowed?.(packet) !== true,
  );
  const samples = leaked.slice(0, maxSamples).map((packet) => packet.summary);
  const faults = leaked.length === 0 ? [] : [`${leaked.length} packets in plaintext: ${samples.join('; ')}`];
  const wanted = Object.entries(expectation.atLeastFrom ?? {});
  if (wanted.length === 0 && espPackets(report.total) === 0) faults.push('no ESP packet: the capture proves nothing');
  for (const [sender, least] of wanted) {
    const sent = espPackets(report.bySender.get(sender) ?? noPackets);
    if (sent < least) faults.push(`${sent} ESP packets from ${sender}, at least ${least} expected`);
  }
  return faults;
}

/** Throws unless the capture shows nothing but ESP, IKE and address resolution. */
export function expectOnlyEspAndIke(report: CaptureReport, expectation: EspExpectation = {}): void {
  const faults = leakFaults(report, expectation);
  if (faults.length > 0) throw new Error(`the wire shows ${faults.join('; ')}`);
}

/** ESP packets of both kinds. */
export function espPackets(counts: PacketCounts): number {
  return counts.esp + counts.espInUdp;
}

const noPackets: PacketCounts = {
  esp: 0,
  espInUdp: 0,
  ike: 0,
  keepalive: 0,
  arp: 0,
  neighbourDiscovery: 0,
  icmpError: 0,
  plaintext: 0,
  laterFragments: 0,
};
const maxSamples = 8;
