import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { SecretBytes } from '../../crypto/secret.ts';
import { ipAddressBytes } from '../../wire/ip-address.ts';
import { ip, keyBytes, sa, selector } from '../testing/builders.ts';
import type { SaSpec } from '../types.ts';
import { earlyPacketCheck } from './early-packet-check.ts';

const KEY = keyBytes(20, 5);
const SPI = 0x1000;
const UDP = 17;
const ICMP = 1;
const check = (spec: SaSpec) => earlyPacketCheck(spec, opensslProvider.messageProtection);

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function uint16s(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

/** An IP packet of either family. */
function packet(source: string, destination: string, protocol: number, payload: Uint8Array): Uint8Array {
  const addresses = joined(ipAddressBytes(ip(source)), ipAddressBytes(ip(destination)));
  if (source.includes(':')) {
    return joined(
      Uint8Array.of(0x60, 0, 0, 0),
      uint16s(payload.length),
      Uint8Array.of(protocol, 64),
      addresses,
      payload,
    );
  }
  const rest = Uint8Array.of(0, 0, 0, 0, 64, protocol, 0, 0);
  return joined(Uint8Array.of(0x45, 0), uint16s(20 + payload.length), rest, addresses, payload);
}

function udp(sourcePort: number, destinationPort: number): Uint8Array {
  return joined(uint16s(sourcePort, destinationPort, 12, 0), Uint8Array.of(1, 2, 3, 4));
}

/** ESP with AES-GCM-16 by OpenSSL alone (RFC 4106), the low sequence number 1. */
function esp(nextHeader: number, payload: Uint8Array, { key = KEY, esn = false } = {}): Uint8Array {
  const spi = uint16s(0, SPI);
  const sequence = Uint8Array.of(0, 0, 0, 1);
  const iv = keyBytes(8, 77);
  const padding = Uint8Array.from({ length: (4 - ((payload.length + 2) % 4)) % 4 }, (_, index) => index + 1);
  const cipher = createCipheriv('aes-128-gcm', key.subarray(0, 16), joined(key.subarray(16), iv));
  cipher.setAAD(esn ? joined(spi, new Uint8Array(4), sequence) : joined(spi, sequence));
  const text = joined(payload, padding, Uint8Array.of(padding.length, nextHeader));
  const encrypted = joined(cipher.update(text), cipher.final());
  return joined(spi, sequence, iv, encrypted, cipher.getAuthTag());
}

interface Family {
  readonly nextHeader: number;
  /** Source and destination. */
  readonly outer: readonly [string, string];
  readonly inner: readonly [string, string];
}

const V4: Family = { nextHeader: 4, outer: ['192.0.2.1', '192.0.2.2'], inner: ['10.1.0.7', '10.2.0.7'] };
const V6: Family = { nextHeader: 41, outer: ['2001:db8::1', '2001:db8::2'], inner: ['fd01::7', 'fd02::7'] };

function tunnel(more: Partial<SaSpec> = {}): SaSpec {
  return sa('192.0.2.1', '192.0.2.2', SPI, {
    direction: 'in',
    mode: 'tunnel',
    encryptionKey: new SecretBytes(KEY.slice()),
    traffic: [selector('10.1.0.0/16', '10.2.0.0/16'), selector('fd01::/64', 'fd02::/64')],
    ...more,
  });
}

describe('what came before its SA is handed over to a tunnel', () => {
  it.each([V4, V6])('where it is of the networks that the tunnel is for (next header $nextHeader)', (family) => {
    const inner = packet(...family.inner, UDP, udp(1, 2));
    expect(check(tunnel())(packet(...family.outer, 50, esp(family.nextHeader, inner)))).toBe(true);
  });

  it('also with extended sequence numbers, and in UDP', () => {
    const inner = packet(...V4.inner, UDP, udp(1, 2));
    const bytes = esp(4, inner, { esn: true });
    expect(check(tunnel({ esn: true }))(packet(...V4.outer, 50, bytes))).toBe(true);
    const udpEncapsulation = { sourcePort: 4_500, destinationPort: 4_500 };
    const inUdp = joined(uint16s(4_500, 4_500, 8 + bytes.length, 0), bytes);
    expect(check(tunnel({ esn: true, udpEncapsulation }))(packet(...V4.outer, UDP, inUdp))).toBe(true);
  });

  it('where only an extension header stands before the ports', () => {
    const traffic = [
      selector('fd01::/64', 'fd02::/64', { protocol: UDP, destinationPort: { value: 53, mask: 0xffff } }),
    ];
    const inner = (port: number) =>
      packet(...V6.inner, 60, joined(Uint8Array.of(UDP, 0, 1, 4, 0, 0, 0, 0), udp(9, port)));
    const arrives = (port: number) => check(tunnel({ traffic }))(packet(...V6.outer, 50, esp(41, inner(port))));
    expect([arrives(53), arrives(54)]).toEqual([true, false]);
  });
});

describe('no peer gets in by being early what policies would refuse', () => {
  it.each([
    ['from a network of somebody else', packet('10.9.0.7', '10.2.0.7', UDP, udp(1, 2)), 4],
    ['to a network of somebody else', packet('10.1.0.7', '192.0.2.2', UDP, udp(1, 2)), 4],
    ['of another family than it says', packet(...V6.inner, UDP, udp(1, 2)), 4],
    ['that holds no IP packet', Uint8Array.of(1, 2, 3), 4],
    ['that holds nothing', new Uint8Array(0), 59],
    ['with a header that is longer than itself', Uint8Array.of(0x4f, ...new Uint8Array(30)), 4],
  ])('a packet %s', (_, inner, nextHeader) => {
    expect(check(tunnel())(packet(...V4.outer, 50, esp(nextHeader, inner)))).toBe(false);
  });

  it('a packet of transport mode from another address, of another protocol, or for another port', () => {
    const destinationPort = { value: 53, mask: 0xffff };
    const traffic = [selector('192.0.2.1', '192.0.2.2', { protocol: UDP, destinationPort })];
    const arrives = check(tunnel({ mode: 'transport', traffic }));
    expect(arrives(packet(...V4.outer, 50, esp(UDP, udp(9, 53))))).toBe(true);
    expect(arrives(packet(...V4.outer, 50, esp(UDP, udp(9, 54))))).toBe(false);
    expect(arrives(packet(...V4.outer, 50, esp(6, udp(9, 53))))).toBe(false);
    expect(arrives(packet('192.0.2.9', '192.0.2.2', 50, esp(UDP, udp(9, 53))))).toBe(false);
  });

  it('an ICMP message of another type', () => {
    const traffic = [selector('192.0.2.1', '192.0.2.2', { protocol: ICMP, sourcePort: { value: 8, mask: 0xffff } })];
    const arrives = (type: number) =>
      check(tunnel({ mode: 'transport', traffic }))(packet(...V4.outer, 50, esp(ICMP, Uint8Array.of(type, 0, 0, 0))));
    expect([arrives(8), arrives(5)]).toEqual([true, false]);
  });

  it('a packet that was made with another key, is cut short, or is for an SA of which nobody says what it is for', () => {
    const inner = packet(...V4.inner, UDP, udp(1, 2));
    const whole = packet(...V4.outer, 50, esp(4, inner));
    expect(check(tunnel())(packet(...V4.outer, 50, esp(4, inner, { key: keyBytes(20, 6) })))).toBe(false);
    for (let length = 0; length < whole.length; length += 1) {
      expect(check(tunnel())(whole.subarray(0, length)), `${length} bytes`).toBe(false);
    }
    const { traffic: _, ...unknown } = tunnel();
    expect(check(unknown)(whole)).toBe(false);
  });
});
