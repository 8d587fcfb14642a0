import { describe, expect, it } from 'vitest';
import { knownAnswerOf } from './known-answers.ts';
import {
  algorithmByKeyword,
  algorithmOf,
  algorithms,
  encryptionOf,
  integrityOf,
  keyExchangeOf,
  noIntegrity,
  prfOf,
  transformTypes,
} from './suites.ts';

describe('the table of algorithms', () => {
  it('has every transform once, found by type, ID and key length', () => {
    for (const row of algorithms) expect(algorithmOf(row.transformType, row.transformId, row.keyBits)).toBe(row);
    expect(new Set(algorithms.map((row) => `${row.transformType} ${row.transformId} ${row.keyBits}`)).size).toBe(
      algorithms.length,
    );
  });

  it('has every word of a proposal once', () => {
    const words = algorithms.flatMap((row) => row.keywords);
    expect(new Set(words).size).toBe(words.length);
    for (const row of algorithms) for (const word of row.keywords) expect(algorithmByKeyword(word)).toBe(row);
  });

  it.each([
    ['aes256gcm16', 1, 20, 256],
    ['aes256gcm128', 1, 20, 256],
    ['aes192gcm12', 1, 19, 192],
    ['aes128gcm64', 1, 18, 128],
    ['chacha20poly1305', 1, 28, 0],
    ['aes', 1, 12, 128],
    ['aes256', 1, 12, 256],
    ['prfsha384', 2, 6, 0],
    ['prfsha1', 2, 2, 0],
    ['sha1', 3, 2, 0],
    ['sha2_512', 3, 14, 0],
    ['modp2048', 4, 14, 0],
    ['modp3072', 4, 15, 0],
    ['modp4096', 4, 16, 0],
    ['ecp256', 4, 19, 0],
    ['ecp384', 4, 20, 0],
    ['ecp521', 4, 21, 0],
    ['x25519', 4, 31, 0],
    ['curve25519', 4, 31, 0],
    ['curve448', 4, 32, 0],
    ['noesn', 5, 0, 0],
    ['esn', 5, 1, 0],
  ])('knows %s as transform type %i, ID %i with %i key bits', (word, transformType, transformId, keyBits) => {
    expect(algorithmByKeyword(word)).toMatchObject({ transformType, transformId, keyBits });
  });

  it.each(['', 'AES256', 'aes512', 'modp1024', '3des', 'sha', 'constructor', '__proto__'])(
    'knows no %j beyond it',
    (word) => {
      expect(algorithmByKeyword(word)?.name).toBe(word === 'sha' ? 'HMAC_SHA1_96' : undefined);
    },
  );

  it('finds nothing for a missing, surplus or wrong Key Length attribute (RFC 7296 §3.3.5)', () => {
    expect(encryptionOf(20, 0)).toBeUndefined();
    expect(encryptionOf(20, 100)).toBeUndefined();
    expect(encryptionOf(28, 256)).toBeUndefined();
    expect(algorithmOf(transformTypes.prf, 5, 256)).toBeUndefined();
    expect(algorithmOf(transformTypes.encryption, 20, 256 + 0x10000)).toBeUndefined();
  });

  it('finds nothing for what is not there', () => {
    expect(encryptionOf(3, 0)).toBeUndefined();
    expect(prfOf(4)).toBeUndefined();
    expect(integrityOf(noIntegrity)).toBeUndefined();
    expect(keyExchangeOf(2)).toBeUndefined();
    expect(algorithmOf(6, 0, 0)).toBeUndefined();
  });

  it.each([
    ['aes256gcm16', 'rfc4106(gcm(aes))', 128, 36],
    ['aes128gcm12', 'rfc4106(gcm(aes))', 96, 20],
    ['aes192gcm8', 'rfc4106(gcm(aes))', 64, 28],
    ['chacha20poly1305', 'rfc7539esp(chacha20,poly1305)', 128, 36],
  ])('gives the kernel %s as %s with an ICV of %i bits and %i bytes of key', (word, name, icvBits, keymatBytes) => {
    const row = algorithmByKeyword(word);
    if (row?.kind !== 'aead') throw new Error(`${word} is no AEAD`);
    expect(row.xfrm).toEqual({ attribute: 'aead', name, icvBits });
    expect(row.keyBytes + row.saltBytes).toBe(keymatBytes);
  });

  it.each([
    ['aes192', { attribute: 'crypt', name: 'cbc(aes)' }, 24],
    ['sha256', { attribute: 'authTrunc', name: 'hmac(sha256)', icvBits: 128 }, 32],
    ['sha384', { attribute: 'authTrunc', name: 'hmac(sha384)', icvBits: 192 }, 48],
    ['sha512', { attribute: 'authTrunc', name: 'hmac(sha512)', icvBits: 256 }, 64],
    ['sha1', { attribute: 'authTrunc', name: 'hmac(sha1)', icvBits: 96 }, 20],
  ])('gives the kernel %s as %j with %i bytes of key', (word, xfrm, keyBytes) => {
    expect(algorithmByKeyword(word)).toMatchObject({ xfrm, keyBytes });
  });

  it('has a known answer for the self-test of every row that can have one', () => {
    const without = algorithms.filter((row) => knownAnswerOf(row) === undefined).map((row) => row.name);
    expect(without).toEqual(['MODP_2048', 'MODP_3072', 'MODP_4096', 'NO_ESN', 'ESN']);
  });
});
