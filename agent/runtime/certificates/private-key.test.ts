import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { SCHEMES } from '../../pki/signature-scheme.ts';
import { keyPem, testKey } from '../../pki/testing/authority.ts';
import { readPrivateKey } from './private-key.ts';
import { isSignedBy } from './public-key.ts';

const OCTETS = new TextEncoder().encode('octets');

describe('a private key in a file', () => {
  it.each(['rsa', 'ecdsaP256', 'ecdsaP384', 'ecdsaP521', 'ed25519', 'ed448'] as const)(
    'of kind %s signs by every scheme for it',
    (kind) => {
      const key = testKey(kind);
      const read = readPrivateKey(keyPem(key));
      if (!read.ok) throw new Error(read.error);
      expect(read.value.signing.kind).toBe(kind);
      const schemes = Object.values(SCHEMES).filter(({ keys }) => keys.some((each) => each === kind));
      expect(schemes.length).toBeGreaterThan(0);
      for (const scheme of schemes) {
        const signature = read.value.signing.sign(scheme, OCTETS);
        expect(isSignedBy(createPublicKey(key), scheme, OCTETS, signature)).toBe(true);
      }
    },
  );

  it('may be in PKCS #8, PKCS #1 and SEC 1', () => {
    const texts = [
      testKey('rsa').export({ type: 'pkcs1', format: 'pem' }),
      testKey('ecdsaP256').export({ type: 'sec1', format: 'pem' }),
      testKey('ecdsaP256').export({ type: 'pkcs8', format: 'pem' }),
    ];
    for (const text of texts) expect(readPrivateKey(String(text)).ok).toBe(true);
  });

  it.each([
    ['nothing', '', /^is no private key in PEM/],
    ['something else', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /^is no private key in PEM/],
    [
      'a public key',
      String(createPublicKey(testKey('ecdsaP256')).export({ type: 'spki', format: 'pem' })),
      /^is no private key in PEM/,
    ],
    [
      'an encrypted key',
      String(testKey('ecdsaP256').export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })),
      /^is encrypted: the agent has nobody to ask/,
    ],
    [
      'a short RSA key',
      keyPem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      /^has an RSA key of 1024 bits/,
    ],
    [
      'a key on an unknown curve',
      keyPem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      /not supported \(ec secp256k1\)/,
    ],
    ['a key for key agreement', keyPem(generateKeyPairSync('x25519').privateKey), /not supported \(x25519\)/],
  ])('with %s is refused', (_, text, reason) => {
    const read = readPrivateKey(text);
    expect(read.ok ? '' : read.error).toMatch(reason);
  });
});
