import { describe, expect, it } from 'vitest';

import { bytesFromHex } from '../crypto/bytes.ts';
import { AuthMethod, HashAlgorithm } from '../wire/registry.ts';
import { decodeScheme, encodeScheme } from './algorithm-identifier.ts';
import { readSignature, signAuth } from './auth-data.ts';
import type { SignaturePreferences, SigningKey } from './credential.ts';
import { ACCEPTED_HASHES, type KeyKind, SCHEMES, type SignatureScheme } from './signature-scheme.ts';

const OCTETS = Uint8Array.of(1, 2, 3);
const PREFERENCES: SignaturePreferences = { rsaPadding: 'PSS', rsaSha1: false };
const { SHA1, SHA2_256, SHA2_384, SHA2_512, IDENTITY } = HashAlgorithm;

/** RFC 7427 Appendix A and RFC 8420 Appendix A. */
const PUBLISHED: readonly (readonly [keyof typeof SCHEMES, string])[] = [
  ['rsaPkcs1Sha256', '300d06092a864886f70d01010b0500'],
  ['rsaPkcs1Sha384', '300d06092a864886f70d01010c0500'],
  ['rsaPkcs1Sha512', '300d06092a864886f70d01010d0500'],
  ['ecdsaSha256', '300a06082a8648ce3d040302'],
  ['ecdsaSha384', '300a06082a8648ce3d040303'],
  ['ecdsaSha512', '300a06082a8648ce3d040304'],
  [
    'rsaPssSha256',
    '304606092a864886f70d01010a3039a00f300d06096086480165030402010500' +
      'a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120a303020101',
  ],
  ['ed25519', '300506032b6570'],
  ['ed448', '300506032b6571'],
];

/** A key that notes what it signs by. */
function key(kind: KeyKind): SigningKey & { readonly used: SignatureScheme[] } {
  const used: SignatureScheme[] = [];
  return {
    kind,
    used,
    sign(scheme) {
      used.push(scheme);
      return Uint8Array.of(0xaa);
    },
  };
}

describe('an AlgorithmIdentifier of method 14', () => {
  it.each(PUBLISHED)('of %s is read as the RFC writes it', (name, hex) => {
    expect(decodeScheme(bytesFromHex(hex))).toBe(SCHEMES[name]);
  });

  it('that we write is read back, and as the RFC writes it where that is DER', () => {
    for (const scheme of Object.values(SCHEMES)) expect(decodeScheme(encodeScheme(scheme))).toBe(scheme);
    for (const [name, hex] of PUBLISHED) {
      if (name !== 'rsaPssSha256') expect(encodeScheme(SCHEMES[name])).toEqual(bytesFromHex(hex));
    }
  });

  it('of RSA-PSS is accepted with and without NULL for the hashes (RFC 4055 §2.1)', () => {
    const [withNull, without] = ['300d06096086480165030402010500', '300b0609608648016503040201'];
    const bare = `303d06092a864886f70d01010a3030a00d${without}a11a301806092a864886f70d010108${without}a203020120`;
    const mixed = `303f06092a864886f70d01010a3032a00d${without}a11c301a06092a864886f70d010108${withNull}a203020120`;
    expect(decodeScheme(bytesFromHex(bare))).toBe(SCHEMES.rsaPssSha256);
    expect(decodeScheme(bytesFromHex(mixed))).toBe(SCHEMES.rsaPssSha256);
  });

  it.each([
    ['PKCS #1 without its NULL', '300b06092a864886f70d01010b'],
    ['ECDSA with a NULL', '300c06082a8648ce3d0403020500'],
    ['Ed25519 with a NULL', '300706032b65700500'],
    ['a byte behind the end', '300506032b657000'],
    ['a length in long form', '30810506032b6570'],
    ['an indefinite length', '308006032b65700000'],
    ['RSA-PSS without parameters', '300b06092a864886f70d01010a'],
    ['RSA-PSS without MGF1', '302306092a864886f70d01010a3016a00f300d06096086480165030402010500a203020120'],
    [
      'RSA-PSS with a salt of 20 bytes',
      '304106092a864886f70d01010a3034a00f300d06096086480165030402010500' +
        'a11c301a06092a864886f70d010108300d06096086480165030402010500a203020114',
    ],
    [
      'RSA-PSS with a salt of 2^31 bytes',
      '304406092a864886f70d01010a3037a00f300d06096086480165030402010500' +
        'a11c301a06092a864886f70d010108300d06096086480165030402010500a206020480000000',
    ],
    [
      'RSA-PSS with different hashes',
      '304106092a864886f70d01010a3034a00f300d06096086480165030402010500' +
        'a11c301a06092a864886f70d010108300d06096086480165030402020500a203020120',
    ],
  ])('with %s is not accepted', (_, hex) => {
    const encoded = bytesFromHex(hex);
    const data = Uint8Array.of(encoded.length, ...encoded, 0xaa);
    expect(readSignature(AuthMethod.DIGITAL_SIGNATURE, data, true)).toEqual({
      ok: false,
      error: 'signs by an algorithm, or with parameters, that are not supported',
    });
  });

  it('is not accepted with any bit of it changed', () => {
    for (const scheme of Object.values(SCHEMES)) {
      const encoding = encodeScheme(scheme);
      for (let bit = 0; bit < 8 * encoding.length; bit += 1) {
        const changed = encoding.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decodeScheme(changed)).not.toBe(scheme);
      }
    }
  });
});

describe('the scheme that we sign by', () => {
  it.each<readonly [KeyKind, readonly number[], SignatureScheme]>([
    ['rsa', ACCEPTED_HASHES, SCHEMES.rsaPssSha256],
    ['rsa', [SHA2_512], SCHEMES.rsaPssSha512],
    ['ecdsaP256', ACCEPTED_HASHES, SCHEMES.ecdsaSha256],
    ['ecdsaP384', ACCEPTED_HASHES, SCHEMES.ecdsaSha384],
    ['ecdsaP521', ACCEPTED_HASHES, SCHEMES.ecdsaSha512],
    ['ecdsaP256', [SHA1, SHA2_512], SCHEMES.ecdsaSha512],
    ['ecdsaP521', [SHA2_256], SCHEMES.ecdsaSha256],
    ['ed25519', [IDENTITY], SCHEMES.ed25519],
    ['ed448', [SHA2_256, IDENTITY], SCHEMES.ed448],
  ])('with a key %s for a peer that accepts %j', (kind, hashes, scheme) => {
    const own = key(kind);
    const signed = signAuth(own, hashes, PREFERENCES, OCTETS);
    expect(own.used).toEqual([scheme]);
    if (!signed.ok) throw new Error(signed.error);
    expect(signed.value.method).toBe(AuthMethod.DIGITAL_SIGNATURE);
    expect(readSignature(signed.value.method, signed.value.data, false)).toEqual({
      ok: true,
      value: { scheme, signature: Uint8Array.of(0xaa) },
    });
  });

  it('is PKCS #1 with an RSA key where the configuration says so', () => {
    const own = key('rsa');
    signAuth(own, [SHA2_384], { rsaPadding: 'PKCS1', rsaSha1: false }, OCTETS);
    expect(own.used).toEqual([SCHEMES.rsaPkcs1Sha384]);
  });

  it.each<readonly [KeyKind, readonly number[] | undefined]>([
    ['rsa', undefined],
    ['rsa', [SHA1]],
    ['rsa', []],
    ['ed25519', undefined],
    ['ed25519', [SHA2_256, SHA2_512]],
    ['ed448', [SHA2_256]],
  ])('is none with a key %s for a peer that accepts %j', (kind, hashes) => {
    const own = key(kind);
    expect(signAuth(own, hashes, PREFERENCES, OCTETS).ok).toBe(false);
    expect(own.used).toEqual([]);
  });

  it('is never one with SHA-1 unless that was allowed, whatever the peer offers', () => {
    for (const kind of ['rsa', 'ecdsaP256', 'ecdsaP384', 'ecdsaP521', 'ed25519', 'ed448'] as const) {
      for (const hashes of [undefined, [SHA1], [SHA1, SHA2_256], [SHA1, IDENTITY]]) {
        const own = key(kind);
        signAuth(own, hashes, PREFERENCES, OCTETS);
        expect(own.used.map(({ hash }) => hash)).not.toContain(SHA1);
      }
    }
  });
});
