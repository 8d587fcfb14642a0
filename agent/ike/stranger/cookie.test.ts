import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import type { Random } from '../../crypto/types.ts';
import { spiBytes, spiFromBytes } from '../../wire/header.ts';
import { ipAddressBytes, ipAddressFromBytes } from '../../wire/ip-address.ts';
import { PrfId } from '../../wire/registry.ts';
import { address, present, seededRandom } from '../testing/pair.ts';
import { type CookieSubject, Cookies } from './cookie.ts';

const PRF = present(opensslProvider.prf(PrfId.PRF_HMAC_SHA2_256));
const SECRET_MS = 60_000;
const SUBJECT: CookieSubject = {
  path: { localAddress: address('192.0.2.1'), localPort: 500, remoteAddress: address('192.0.2.2'), remotePort: 500 },
  initiatorSpi: spiFromBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
  nonce: new Uint8Array(32).fill(7),
};

function cookies(random: Random = seededRandom(5)): Cookies {
  return new Cookies(PRF, random, SECRET_MS);
}

function spiOf(number: number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(4, number);
  return spiFromBytes(bytes);
}

function from(remoteAddress: string, remotePort = 500): CookieSubject {
  return { ...SUBJECT, path: { ...SUBJECT.path, remoteAddress: address(remoteAddress), remotePort } };
}

describe('a cookie (RFC 7296 §2.6)', () => {
  it('is accepted from whom it was made for, and is the same for a repeated request', () => {
    const made = cookies();
    const cookie = made.make(0, SUBJECT);
    expect(made.make(10, SUBJECT)).toEqual(cookie);
    expect(made.isGenuine(20, SUBJECT, cookie)).toBe(true);
    expect(cookie.length).toBeLessThanOrEqual(64);
  });

  it.each([
    ['another address', from('192.0.2.3')],
    ['another port', from('192.0.2.2', 501)],
    ['another SPI', { ...SUBJECT, initiatorSpi: spiFromBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)) }],
    ['another nonce', { ...SUBJECT, nonce: new Uint8Array(32).fill(8) }],
    ['a shorter nonce', { ...SUBJECT, nonce: new Uint8Array(31).fill(7) }],
  ])('is not accepted with %s', (_, other) => {
    const made = cookies();
    expect(made.isGenuine(0, other, made.make(0, SUBJECT))).toBe(false);
  });

  it('is not accepted with any bit changed, cut or lengthened', () => {
    const made = cookies();
    const cookie = made.make(0, SUBJECT);
    for (let bit = 0; bit < 8 * cookie.length; bit += 1) {
      const changed = cookie.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(made.isGenuine(0, SUBJECT, changed)).toBe(false);
    }
    expect(made.isGenuine(0, SUBJECT, cookie.slice(0, -1))).toBe(false);
    expect(made.isGenuine(0, SUBJECT, Uint8Array.of(...cookie, 0))).toBe(false);
    expect(made.isGenuine(0, SUBJECT, new Uint8Array(0))).toBe(false);
  });

  it('of an IPv4 source is not one of an IPv6 source whose address begins with it', () => {
    const made = cookies();
    const short = { ...from('32.1.13.184'), nonce: new Uint8Array(32 + 12).fill(9) };
    // What the one consists of, read as the other.
    const octets = Uint8Array.of(
      ...ipAddressBytes(short.path.remoteAddress),
      ...[0x01, 0xf4],
      ...spiBytes(short.initiatorSpi),
      ...short.nonce,
    );
    const remoteAddress = ipAddressFromBytes(octets.slice(0, 16));
    const remotePort = ((octets[16] ?? 0) << 8) | (octets[17] ?? 0);
    const long: CookieSubject = {
      path: { ...SUBJECT.path, remoteAddress, remotePort },
      initiatorSpi: spiFromBytes(octets.slice(18, 26)),
      nonce: octets.slice(26),
    };
    expect(made.isGenuine(0, long, made.make(0, short))).toBe(false);
  });

  it('is accepted while its secret is in use and as long again, then never', () => {
    const made = cookies();
    const early = made.make(0, SUBJECT);
    expect(made.isGenuine(SECRET_MS - 1, SUBJECT, early)).toBe(true);
    const next = made.make(SECRET_MS, SUBJECT);
    expect(next).not.toEqual(early);
    expect(made.isGenuine(2 * SECRET_MS - 1, SUBJECT, early)).toBe(true);
    expect(made.isGenuine(2 * SECRET_MS, SUBJECT, early)).toBe(false);
    expect(made.isGenuine(2 * SECRET_MS, SUBJECT, next)).toBe(true);
  });

  it('is not accepted after a long silence, in which nobody replaced the secret', () => {
    const made = cookies();
    const cookie = made.make(0, SUBJECT);
    expect(made.isGenuine(10 * SECRET_MS, SUBJECT, cookie)).toBe(false);
    expect(made.isGenuine(20 * SECRET_MS, SUBJECT, made.make(20 * SECRET_MS, SUBJECT))).toBe(true);
  });

  it('is not accepted by another agent, or by this one after a restart', () => {
    const cookie = cookies(seededRandom(1)).make(0, SUBJECT);
    expect(cookies(seededRandom(2)).isGenuine(0, SUBJECT, cookie)).toBe(false);
  });

  it('is the same for who is asked again, though the secret has changed since; others get the new one', () => {
    const made = cookies();
    const other = { ...SUBJECT, initiatorSpi: spiOf(1) };
    const before = made.make(0, other);
    const cookie = made.make(SECRET_MS - 1_000, SUBJECT);
    expect(made.make(SECRET_MS + 500, SUBJECT)).toEqual(cookie);
    expect(made.make(SECRET_MS + 500, other)).not.toEqual(before);
  });

  it('remembers who was asked for it, for a while, and never more than a fixed number of them', () => {
    const made = cookies();
    made.make(0, SUBJECT);
    expect(made.hasAsked(SECRET_MS - 1, SUBJECT.initiatorSpi)).toBe(true);
    expect(made.hasAsked(SECRET_MS, SUBJECT.initiatorSpi)).toBe(false);
    expect(made.hasAsked(1, spiFromBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)))).toBe(false);
    let known = 0;
    for (let number = 0; number < 20_000; number += 1) made.make(10, { ...SUBJECT, initiatorSpi: spiOf(number) });
    for (let number = 0; number < 20_000; number += 1) known += made.hasAsked(10, spiOf(number)) ? 1 : 0;
    expect(known).toBeLessThanOrEqual(4_096);
    expect(made.hasAsked(10, spiOf(19_999))).toBe(true);
  });

  it('costs no secret before anybody needs one', () => {
    let drawn = 0;
    const made = cookies({ fill: () => (drawn += 1) });
    made.isGenuine(0, SUBJECT, new Uint8Array(16));
    expect(drawn).toBe(0);
    made.make(0, SUBJECT);
    made.make(1, SUBJECT);
    expect(drawn).toBe(1);
  });
});
