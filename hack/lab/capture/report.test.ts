import { describe, expect, it } from 'vitest';

import { tcpdumpCounters } from './capture.ts';
import type { Packet, PacketKind } from './packet.ts';
import { captureReport, expectOnlyEspAndIke, leakFaults } from './report.ts';

describe('a capture report', () => {
  it('counts by kind and by sending node, fragments apart', () => {
    const packets = [
      packet('esp', 'mac-a'),
      packet('esp', 'mac-a', true),
      packet('ike', 'mac-b'),
      packet('arp', 'mac-x'),
    ];
    const report = captureReport(
      packets,
      new Map([
        ['mac-a', 'a'],
        ['mac-b', 'b'],
      ]),
    );
    expect(report.total).toMatchObject({ esp: 1, laterFragments: 1, ike: 1, arp: 1, plaintext: 0 });
    expect(report.bySender.get('a')).toMatchObject({ esp: 1, laterFragments: 1, ike: 0 });
    expect([...report.bySender.keys()]).toEqual(['a', 'b', 'mac-x']);
  });

  it('is without fault when it shows ESP, IKE and address resolution', () => {
    const kinds: PacketKind[] = ['esp', 'espInUdp', 'ike', 'keepalive', 'arp', 'neighbourDiscovery', 'icmpError'];
    expect(leakFaults(report(kinds))).toEqual([]);
  });

  it('names the plaintext packets, fragments among them', () => {
    const leaky = captureReport([packet('esp'), packet('plaintext'), packet('plaintext', 'a', true)], new Map());
    expect(leaky.total).toMatchObject({ esp: 1, plaintext: 2, laterFragments: 0 });
    expect(leakFaults(leaky)).toEqual(['2 packets in plaintext: plaintext; plaintext']);
    expect(() => expectOnlyEspAndIke(leaky)).toThrow('the wire shows 2 packets in plaintext');
  });

  it('proves nothing without ESP', () => {
    expect(leakFaults(report(['ike', 'arp']))).toEqual(['no ESP packet: the capture proves nothing']);
  });

  it('demands ESP from each named sender', () => {
    const oneWay = captureReport([packet('esp', 'mac-a')], new Map([['mac-a', 'a']]));
    expect(leakFaults(oneWay, { atLeastFrom: { a: 1, b: 1 } })).toEqual(['0 ESP packets from b, at least 1 expected']);
  });

  it('lets pass what the scenario allows', () => {
    const allowed = (leaked: Packet) => leaked.summary === 'plaintext';
    expect(leakFaults(report(['esp', 'plaintext']), { allowed })).toEqual([]);
  });
});

describe('tcpdumpCounters', () => {
  it('reads the counters of a signal and of the end', () => {
    const log = [
      'tcpdump: listening on bridge, link-type EN10MB (Ethernet), snapshot length 262144 bytes',
      'tcpdump: 1 packet captured, 8 packets received by filter, 0 packets dropped by kernel',
      '4 packets captured',
      '8 packets received by filter',
      '2 packets dropped by kernel',
    ].join('\n');
    expect(tcpdumpCounters(log)).toEqual([
      { captured: 1, received: 8, dropped: 0 },
      { captured: 4, received: 8, dropped: 2 },
    ]);
  });
});

function report(kinds: readonly PacketKind[]): ReturnType<typeof captureReport> {
  return captureReport(
    kinds.map((kind) => packet(kind)),
    new Map(),
  );
}

function packet(kind: PacketKind, sender = 'mac', laterFragment = false): Packet {
  return { kind, family: 4, sender, source: '', destination: '', laterFragment, summary: kind };
}
