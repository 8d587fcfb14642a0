import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { bytesFromHex } from '../../crypto/bytes.ts';
import { missing, sharedJson } from '../../crypto/testing/shared-vectors.ts';
import type { WycheproofFile } from '../../crypto/testing/wycheproof.ts';
import { FIXED_SCHEMES, SCHEMES, type SignatureScheme } from '../../pki/signature-scheme.ts';
import { isSignedBy } from './public-key.ts';

const reason = missing('wycheproof');

interface SignatureTest {
  readonly msg: string;
  readonly sig: string;
}

/** File, scheme, and how many of its signatures are right and wrong; a file that lost tests must not pass unnoticed. */
const FILES: readonly (readonly [string, SignatureScheme, number, number])[] = [
  ['ecdsa_secp256r1_sha256', SCHEMES.ecdsaSha256, 174, 310],
  ['ecdsa_secp384r1_sha384', SCHEMES.ecdsaSha384, 194, 310],
  ['ecdsa_secp521r1_sha512', SCHEMES.ecdsaSha512, 232, 310],
  ['ecdsa_secp256r1_sha256_p1363', FIXED_SCHEMES.ecdsaP256, 173, 89],
  ['ecdsa_secp384r1_sha384_p1363', FIXED_SCHEMES.ecdsaP384, 193, 87],
  ['ecdsa_secp521r1_sha512_p1363', FIXED_SCHEMES.ecdsaP521, 231, 87],
  ['ed25519', SCHEMES.ed25519, 88, 63],
  ['ed448', SCHEMES.ed448, 17, 70],
  ['rsa_signature_2048_sha256', SCHEMES.rsaPkcs1Sha256, 9, 250],
  ['rsa_signature_3072_sha384', SCHEMES.rsaPkcs1Sha384, 7, 252],
  ['rsa_signature_4096_sha512', SCHEMES.rsaPkcs1Sha512, 7, 252],
  ['rsa_pss_2048_sha256_mgf1_32', SCHEMES.rsaPssSha256, 63, 45],
  ['rsa_pss_4096_sha384_mgf1_48', SCHEMES.rsaPssSha384, 95, 46],
  ['rsa_pss_4096_sha512_mgf1_64', SCHEMES.rsaPssSha512, 132, 47],
];

describe.skipIf(reason !== undefined)(`signatures of Wycheproof ${reason ?? ''}`, () => {
  it.each(FILES)('%s: the right ones are believed, the wrong ones are not', (name, scheme, right, wrong) => {
    const path = `wycheproof/${name}_test.json`;
    const file = sharedJson<WycheproofFile<{ readonly publicKeyDer: string }, SignatureTest>>(path);
    const counts = { right: 0, wrong: 0 };
    for (const { publicKeyDer, tests } of file.testGroups) {
      const key = createPublicKey({ key: Buffer.from(publicKeyDer, 'hex'), format: 'der', type: 'spki' });
      for (const { tcId, comment, msg, sig, result } of tests) {
        // What some accept (a PKCS #1 hash without NULL) is none of ours: AUTH has one form.
        const expected = result === 'valid';
        expect(isSignedBy(key, scheme, bytesFromHex(msg), bytesFromHex(sig)), `${tcId} ${comment}`).toBe(expected);
        counts[expected ? 'right' : 'wrong'] += 1;
      }
    }
    expect(counts).toEqual({ right, wrong });
  });
});
