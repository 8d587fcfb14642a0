import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type Packet, packetClassifier } from './packet.ts';

describe('packetClassifier', () => {
  it.each([4, 6] as const)('recognises ESP in IPv%i with its SPI and sequence number', (family) => {
    const packet = classify(frame(family, ip(family, 50, [0, 0, 0x10, 1, 0, 0, 0, 9, 0xde, 0xad])));
    expect(packet).toMatchObject({
      kind: 'esp',
      family,
      esp: { spi: 0x1001, sequence: 9 },
      sender: '02:00:00:00:00:0a',
    });
  });

  it('tells IKE, ESP and keepalive on port 4500 apart', () => {
    const kinds = [
      udp(4500, 4500, [0, 0, 0, 0, ...ikeHeader]),
      udp(61000, 4500, [0, 0, 0x10, 1, 0, 0, 0, 1, 7]),
      udp(4500, 4500, [0xff]),
    ].map((datagram) => classify(frame(4, ip(4, 17, datagram))).kind);
    expect(kinds).toEqual(['ike', 'espInUdp', 'keepalive']);
  });

  it('takes UDP 500 for IKE only with an IKE header: a port proves nothing', () => {
    expect(classify(frame(4, ip(4, 17, udp(500, 500, ikeHeader)))).kind).toBe('ike');
    expect(classify(frame(4, ip(4, 17, udp(500, 500, text('a secret in the clear, long enough'))))).kind).toBe(
      'plaintext',
    );
    expect(classify(frame(4, ip(4, 17, udp(500, 500, ikeHeader.slice(1))))).kind).toBe('plaintext');
    expect(classify(frame(4, ip(4, 17, udp(4500, 4500, [0, 0, 0, 0, ...text('in the clear')])))).kind).toBe(
      'plaintext',
    );
  });

  it('knows the parts of an IKE message that its sender has cut', () => {
    const part = [...ikeHeader.slice(0, 16), 53, ...ikeHeader.slice(17)];
    const datagrams = [udp(500, 500, ikeHeader), udp(500, 500, part), udp(4500, 4500, [0, 0, 0, 0, ...part])];
    const packets = datagrams.map((datagram) => classify(frame(4, ip(4, 17, datagram))));
    expect(packets.map(({ kind, ikeFragment }) => [kind, ikeFragment === true])).toEqual([
      ['ike', false],
      ['ike', true],
      ['ike', true],
    ]);
  });

  it('follows the ports a scenario names', () => {
    const named = packetClassifier(1, { ike: 1500, nat: 14500 });
    expect(named(frame(4, ip(4, 17, udp(1500, 1500, ikeHeader)))).kind).toBe('ike');
    expect(named(frame(4, ip(4, 17, udp(4500, 4500, [0, 0, 1, 1, 0, 0, 0, 1])))).kind).toBe('plaintext');
  });

  it('counts ARP, neighbour discovery and multicast listener reports as neither ESP nor leak', () => {
    expect(classify(ethernet(0x0806, [0, 1])).kind).toBe('arp');
    for (const type of [133, 135, 136, 143]) {
      expect(classify(frame(6, ip(6, 58, [type, 0, 0, 0]))).kind).toBe('neighbourDiscovery');
    }
    // Hop-by-hop options stand before every listener report.
    expect(classify(frame(6, ip(6, 0, [58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0]))).kind).toBe('neighbourDiscovery');
  });

  it('takes an ICMP error for no leak only where it quotes ESP or IKE', () => {
    const unreachable = (family: 4 | 6, quoted: readonly number[]) =>
      classify(
        frame(family, ip(family, family === 4 ? 1 : 58, [family === 4 ? 3 : 1, 3, 0, 0, 0, 0, 0, 0, ...quoted])),
      );
    for (const family of [4, 6] as const) {
      const esp = ip(family, 50, [0, 0, 0x10, 1, 0, 0, 0, 9, 0xde, 0xad]);
      const ike = ip(family, 17, udp(500, 500, ikeHeader));
      const secret = ip(family, 17, udp(500, 500, text('a secret in the clear, long enough')));
      const echo = ip(family, family === 4 ? 1 : 58, [family === 4 ? 8 : 128, 0, 0, 0]);
      const kinds = [esp, ike, secret, echo, []].map((quoted) => unreachable(family, quoted).kind);
      expect(kinds).toEqual(['icmpError', 'icmpError', 'plaintext', 'plaintext', 'plaintext']);
    }
  });

  it.each([
    ['an echo request', 4, 1, [8, 0, 0, 0], /ICMP type 8/],
    ['an IPv6 echo request', 6, 58, [128, 0, 0, 0], /ICMPv6 type 128/],
    ['TCP', 4, 6, [0, 80, 0x1f, 0x90, 0, 0], /TCP 80 > 8080/],
    ['IP in IP', 4, 4, [0x45], /IP in IP/],
    ['AH, which encrypts nothing', 4, 51, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], /AH/],
    ['ESP too short for a header', 4, 50, [0, 0, 0, 1], /ESP without a header/],
  ] as const)('takes %s for plaintext', (_, family, protocol, payload, summary) => {
    const packet = classify(frame(family, ip(family, protocol, payload)));
    expect(packet.kind).toBe('plaintext');
    expect(packet.summary).toMatch(summary);
  });

  it('takes what it does not understand for plaintext', () => {
    expect(classify(ethernet(0x88cc, [1, 2])).kind).toBe('plaintext');
    expect(classify(ethernet(0x0800, [0x45, 0])).kind).toBe('plaintext');
    expect(classify(Uint8Array.of(1, 2, 3)).kind).toBe('plaintext');
    const arbitrary = fc.uint8Array({ maxLength: 120 });
    fc.assert(fc.property(arbitrary, (bytes) => typeof classify(bytes).kind === 'string'));
  });

  it('gives a later fragment the kind of its first one, and none to an orphan', () => {
    const esp = [0, 0, 0x10, 1, 0, 0, 0, 9, ...Array(16).fill(1)];
    for (const family of [4, 6] as const) {
      const classifier = packetClassifier(1);
      const first = classifier(frame(family, fragment(family, 50, 77, 0, true, esp)));
      const later = classifier(frame(family, fragment(family, 50, 77, 24, false, esp)));
      const orphan = classifier(frame(family, fragment(family, 17, 78, 24, false, esp)));
      expect([first, later, orphan].map(({ kind, laterFragment }) => [kind, laterFragment])).toEqual([
        ['esp', false],
        ['esp', true],
        ['plaintext', true],
      ]);
    }
  });

  it('reads through VLAN tags, and raw IP without a link layer', () => {
    const esp = ip(4, 50, [0, 0, 0x10, 1, 0, 0, 0, 9]);
    expect(classify(ethernet(0x8100, [0, 5, 0x08, 0x00, ...esp])).kind).toBe('esp');
    expect(packetClassifier(101)(Uint8Array.from(esp)).kind).toBe('esp');
  });

  it('ignores the padding of a short Ethernet frame', () => {
    const keepalive = ip(4, 17, udp(4500, 4500, [0xff]));
    expect(classify(frame(4, [...keepalive, ...Array(17).fill(0)])).kind).toBe('keepalive');
  });

  it('writes IPv6 addresses the short way', () => {
    expect(classify(frame(6, ip(6, 50, Array(8).fill(1)))).source).toBe('2001:db8::a');
  });
});

function classify(bytes: Uint8Array): Packet {
  return packetClassifier(1)(bytes);
}

function ethernet(protocol: number, payload: readonly number[]): Uint8Array {
  return Uint8Array.from([2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, protocol >> 8, protocol & 255, ...payload]);
}

function frame(family: 4 | 6, packet: readonly number[]): Uint8Array {
  return ethernet(family === 4 ? 0x0800 : 0x86dd, packet);
}

function ip(family: 4 | 6, protocol: number, payload: readonly number[], flags = 0, identification = 0): number[] {
  if (family === 4) {
    const head = [0x45, 0, ...word(20 + payload.length), ...word(identification), ...word(flags), 64, protocol, 0, 0];
    return [...head, 192, 0, 2, 1, 192, 0, 2, 2, ...payload];
  }
  const address = (last: number) => [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), last];
  return [0x60, 0, 0, 0, ...word(payload.length), protocol, 64, ...address(10), ...address(11), ...payload];
}

function fragment(
  family: 4 | 6,
  protocol: number,
  identification: number,
  offset: number,
  more: boolean,
  payload: readonly number[],
): number[] {
  if (family === 4) return ip(4, protocol, payload, offset / 8 + (more ? 0x2000 : 0), identification);
  return ip(6, 44, [protocol, 0, ...word(offset + (more ? 1 : 0)), 0, 0, ...word(identification), ...payload]);
}

function udp(source: number, destination: number, data: readonly number[]): number[] {
  return [...word(source), ...word(destination), ...word(8 + data.length), 0, 0, ...data];
}

function word(value: number): number[] {
  return [value >> 8, value & 255];
}

function text(words: string): number[] {
  return [...Buffer.from(words)];
}

// An IKE_SA_INIT request without payloads (RFC 7296 §3.1).
const ikeHeader = [1, 2, 3, 4, 5, 6, 7, 8, ...Array(8).fill(0), 33, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 0, 28];
