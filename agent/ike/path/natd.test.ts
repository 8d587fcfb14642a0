import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import { spiFromBytes, ZERO_SPI } from '../../wire/header.ts';
import { address, seededRandom } from '../testing/pair.ts';
import { natDetection, natSituation } from './natd.ts';

const SPI = spiFromBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
const sha1 = {
  ...toyProvider,
  sha1: (parts: readonly Uint8Array[]) => {
    const hash = createHash('sha1');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};
const OURS = {
  localAddress: address('192.0.2.1'),
  localPort: 500,
  remoteAddress: address('198.51.100.2'),
  remotePort: 500,
};
const THEIRS = { localAddress: OURS.remoteAddress, localPort: 500, remoteAddress: OURS.localAddress, remotePort: 500 };

describe('NAT detection', () => {
  it('is SHA-1 over SPIi, SPIr, address and port in network order (RFC 7296 §2.23)', () => {
    const { source, destination } = natDetection(sha1, SPI, ZERO_SPI, OURS, undefined);
    const expected = (...end: readonly number[]) =>
      new Uint8Array(
        createHash('sha1')
          .update(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, ...end))
          .digest(),
      );
    expect(source).toEqual(expected(192, 0, 2, 1, 0x01, 0xf4));
    expect(destination).toEqual(expected(198, 51, 100, 2, 0x01, 0xf4));
  });

  it.each([
    ['no NAT', THEIRS, { local: false, remote: false }],
    ['the peer behind one', { ...THEIRS, remotePort: 1024 }, { local: false, remote: true }],
    ['its address changed', { ...THEIRS, remoteAddress: address('203.0.113.1') }, { local: false, remote: true }],
    ['ourselves behind one', { ...THEIRS, localAddress: address('10.0.0.1') }, { local: true, remote: false }],
    ['one at both ends', { ...THEIRS, localPort: 4501, remotePort: 7 }, { local: true, remote: true }],
  ] as const)('sees %s', (_, path, expected) => {
    const { source, destination } = natDetection(sha1, SPI, ZERO_SPI, OURS, undefined);
    expect(natSituation(sha1, SPI, ZERO_SPI, path, [source], destination)).toEqual(expected);
  });

  it('takes a peer that names several source addresses for one without a NAT if one of them is right', () => {
    const { source, destination } = natDetection(sha1, SPI, ZERO_SPI, OURS, undefined);
    const sources = [new Uint8Array(20), source, new Uint8Array(3)];
    expect(natSituation(sha1, SPI, ZERO_SPI, THEIRS, sources, destination).remote).toBe(false);
    expect(natSituation(sha1, SPI, ZERO_SPI, THEIRS, [], destination).remote).toBe(true);
  });

  it('that pretends makes the peer see a NAT in front of us, and none in front of itself', () => {
    const { source, destination } = natDetection(sha1, SPI, ZERO_SPI, OURS, seededRandom(1));
    expect(natSituation(sha1, SPI, ZERO_SPI, THEIRS, [source], destination)).toEqual({ local: false, remote: true });
  });

  it('does not confuse what belongs to another IKE SA', () => {
    const { source, destination } = natDetection(sha1, SPI, SPI, OURS, undefined);
    expect(natSituation(sha1, SPI, ZERO_SPI, THEIRS, [source], destination)).toEqual({ local: true, remote: true });
  });
});
