import { describe, expect, it } from 'vitest';

import { type EspShape, payloadMtu } from './esp-overhead.ts';

const GCM = { encryption: 20, keyBits: 256, integrity: 0 };
const CHACHA = { encryption: 28, keyBits: 0, integrity: 0 };
const CBC_SHA256 = { encryption: 12, keyBits: 256, integrity: 12 };
const CBC_SHA512 = { encryption: 12, keyBits: 128, integrity: 14 };

describe('the longest packet that fits through ESP', () => {
  it.each<[string, number, Partial<EspShape>, number]>([
    ['AES-GCM, transport', 1_500, { ...GCM }, 1_466],
    ['AES-GCM, transport, IPv6', 1_500, { ...GCM, family: 6 }, 1_466],
    ['AES-GCM, tunnel', 1_500, { ...GCM, mode: 'tunnel' }, 1_446],
    ['AES-GCM, tunnel, IPv6', 1_500, { ...GCM, mode: 'tunnel', family: 6 }, 1_426],
    ['AES-GCM, tunnel in UDP', 1_500, { ...GCM, mode: 'tunnel', udpEncapsulation: true }, 1_438],
    ['ChaCha20-Poly1305, tunnel', 1_500, { ...CHACHA, mode: 'tunnel' }, 1_446],
    ['AES-CBC with HMAC-SHA-256, transport', 1_500, { ...CBC_SHA256 }, 1_458],
    ['AES-CBC with HMAC-SHA-256, tunnel', 1_500, { ...CBC_SHA256, mode: 'tunnel' }, 1_438],
    [
      'AES-CBC with HMAC-SHA-512, tunnel in UDP',
      1_500,
      { ...CBC_SHA512, mode: 'tunnel', udpEncapsulation: true },
      1_406,
    ],
    ['AES-GCM, tunnel, jumbo frames', 9_000, { ...GCM, mode: 'tunnel' }, 8_946],
    ['AES-GCM, tunnel, the shortest link of IPv6', 1_280, { ...GCM, mode: 'tunnel' }, 1_226],
    ['AES-GCM, tunnel, the same by IPv6', 1_280, { ...GCM, mode: 'tunnel', family: 6 }, 1_206],
    ['AES-GCM, transport, the same by IPv6', 1_280, { ...GCM, family: 6 }, 1_246],
  ])('%s', (_, pathMtu, shape, expected) => {
    const whole: EspShape = { mode: 'transport', family: 4, udpEncapsulation: false, ...GCM, ...shape };
    expect(payloadMtu(pathMtu, whole)).toBe(expected);
  });

  it('is unknown for algorithms that nobody knows', () => {
    const shape: EspShape = { mode: 'tunnel', family: 4, udpEncapsulation: false, ...GCM, encryption: 99 };
    expect(payloadMtu(1_500, shape)).toBeUndefined();
  });
});
