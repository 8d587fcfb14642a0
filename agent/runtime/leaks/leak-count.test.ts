import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import type { ExemptionConfig } from '../../ike/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { testConfig } from '../testing/agents.ts';
import { LeakCount } from './leak-count.ts';
import { readOutgoingPacket } from './outgoing-packet.ts';

const A = [10, 78, 0, 1];
const B = [10, 78, 0, 2];
const C = [10, 78, 0, 3];
const POD = [10, 244, 1, 5];
const PEERS_POD = [10, 244, 2, 5];
const SPI = [0, 0, 0, 9];
const NON_ESP = [0, 0, 0, 0];

describe('what leaves a node', () => {
  it.each<[string, Uint8Array, string]>([
    ['ESP', ipv4(50, A, B, [1, 2, 3, 4]), '1 packets encrypted, 0 in plaintext'],
    ['ESP in UDP', udp(4_500, 4_500, SPI), '1 packets encrypted, 0 in plaintext'],
    ['IKE', udp(500, 500, SPI), '0 packets encrypted, 0 in plaintext'],
    ['IKE at port 4500', udp(4_500, 4_500, NON_ESP), '0 packets encrypted, 0 in plaintext'],
    ['a keepalive', udp(4_500, 4_500, [0xff]), '0 packets encrypted, 0 in plaintext'],
    ['what is for somebody else', ipv4(17, A, C, [0, 9, 0, 9]), '0 packets encrypted, 0 in plaintext'],
    ['UDP to the peer', udp(7_000, 9, SPI), '0 packets encrypted, 1 in plaintext'],
    ['ICMP to the peer', ipv4(1, A, B, [8, 0, 0, 0]), '0 packets encrypted, 1 in plaintext'],
    ['a later fragment to the peer', fragment(ipv4(17, A, B, [1, 2, 3, 4])), '0 packets encrypted, 1 in plaintext'],
    ['UDP of a pod, from the port of IKE', podUdp(500, SPI), '0 packets encrypted, 1 in plaintext'],
    ['UDP of a pod, from the port of ESP in UDP', podUdp(4_500, SPI), '0 packets encrypted, 1 in plaintext'],
    ['UDP of a pod that looks like IKE there', podUdp(4_500, NON_ESP), '0 packets encrypted, 1 in plaintext'],
    ['ESP that a pod makes', ipv4(50, POD, PEERS_POD, [1, 2, 3, 4]), '0 packets encrypted, 1 in plaintext'],
    ['what is exempt', udp(7_000, 53, SPI), '0 packets encrypted, 0 in plaintext, 1 that are exempt'],
  ])('is told apart: %s', (_, bytes, expected) => {
    const count = counted(bytes);
    expect(count.lines()[0]).toBe(`node-b: ${expected}`);
    expect(count.hasLeak).toBe(expected.includes('1 in plaintext'));
  });

  it('is shown where it is in plaintext, and proves nothing where nothing is encrypted', () => {
    const count = counted(udp(7_000, 9, SPI));
    expect(count.lines()[1]).toBe('  IN PLAINTEXT: 10.78.0.1 port 7000 to 10.78.0.2 port 9, protocol 17');
    expect(count.provesSomething).toBe(false);
    expect(counted(ipv4(50, A, B, SPI)).provesSomething).toBe(true);
  });

  it('is read behind extension headers of IPv6, and not at all where it is cut off', () => {
    const header = [0x60, 0, 0, 0, 0, 16, 0, 64, ...new Array(15).fill(0), 1, ...new Array(15).fill(0), 2];
    const options = [17, 0, 0, 0, 0, 0, 0, 0];
    expect(readOutgoingPacket(Uint8Array.from([...header, ...options, 0, 53, 0, 9]))).toMatchObject({
      source: '::1',
      protocol: 17,
      ports: { source: 53, destination: 9 },
    });
    expect(readOutgoingPacket(Uint8Array.from(header.slice(0, 39)))).toBeUndefined();
    expect(readOutgoingPacket(new Uint8Array())).toBeUndefined();
  });
});

const DNS: ExemptionConfig = {
  name: 'dns',
  protocol: 17,
  localPorts: { from: 0, to: 65_535 },
  remotePorts: { from: 53, to: 53 },
  remote: { address: '10.78.0.2' as IpAddress, length: 32 },
  isSent: true,
};

function counted(bytes: Uint8Array): LeakCount {
  const { connections } = testConfig(opensslProvider, 'node-a', '10.78.0.1', { 'node-b': '10.78.0.2' });
  const count = new LeakCount(
    connections.map((each) => ({
      ...each,
      children: each.children.flatMap((child) => [
        { ...child, exempt: [DNS] },
        { ...child, name: 'pods', mode: 'tunnel', local: [network('10.244.1.0')], remote: [network('10.244.2.0')] },
      ]),
    })),
  );
  const packet = readOutgoingPacket(bytes);
  if (packet !== undefined) count.add(packet);
  return count;
}

function ipv4(protocol: number, source: readonly number[], destination: readonly number[], payload: readonly number[]) {
  return Uint8Array.from([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, ...source, ...destination, ...payload]);
}

function network(address: string) {
  return { prefix: { address: address as IpAddress, length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

function udp(source: number, destination: number, payload: readonly number[], from = A, to = B): Uint8Array {
  const ports = [source >> 8, source & 255, destination >> 8, destination & 255];
  return ipv4(17, from, to, [...ports, 0, 0, 0, 0, ...payload]);
}

function podUdp(source: number, payload: readonly number[]): Uint8Array {
  return udp(source, 7_000, payload, POD, PEERS_POD);
}

function fragment(packet: Uint8Array): Uint8Array {
  return packet.with(7, 185);
}
