import { createPrivateKey, createPublicKey } from 'node:crypto';

import { p256, p384, p521 } from '@noble/curves/nist.js';
import { describe, expect, it } from 'vitest';

import { bytesFromHex } from '../../crypto/bytes.ts';
import { readSignature } from '../../pki/auth-data.ts';
import { keyPem } from '../../pki/testing/authority.ts';
import { AuthMethod } from '../../wire/registry.ts';
import { readPrivateKey } from './private-key.ts';
import { isSignedBy } from './public-key.ts';

/** The examples of RFC 4754 §8.1 to §8.3: private key w, public key (x, y), and r and s over "abc". */
const EXAMPLES = [
  {
    curve: 'P-256',
    method: AuthMethod.ECDSA_SHA256_P256,
    noble: p256,
    w: 'dc51d3866a15bacde33d96f992fca99da7e6ef0934e7097559c27f1614c88a7f',
    x: '2442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e970',
    y: '6fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d',
    r: 'cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c',
    s: '86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315',
  },
  {
    curve: 'P-384',
    method: AuthMethod.ECDSA_SHA384_P384,
    noble: p384,
    w: '0beb646634ba87735d77ae4809a0ebea865535de4c1e1dcb692e84708e81a5af62e528c38b2a81b35309668d73524d9f',
    x: '96281bf8dd5e0525ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea5ce10c9dfec21797415710721f437922',
    y: '447688ba94708eb6e2e4d59f6ab6d7edff9301d249fe49c33096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca',
    r: 'fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e08e07c9c63f2d21a07dcb56a6af56eb3',
    s: 'b263a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f',
  },
  {
    curve: 'P-521',
    method: AuthMethod.ECDSA_SHA512_P521,
    noble: p521,
    w:
      '0065fda3409451dcab0a0ead45495112a3d813c17bfd34bdf8c1209d7df5849120597779060a7ff9d704adf78b570ffa' +
      'd6f062e95c7e0c5d5481c5b153b48b375fa1',
    x:
      '0151518f1af0f563517edd5485190df95a4bf57b5cba4cf2a9a3f6474725a35f7afe0a6ddeb8bedbcd6a197e592d4018' +
      '8901cecd650699c9b5e456aea5add19052a8',
    y:
      '006f3b142ea1bfff7e2837ad44c9e4ff6d2d34c73184bbad90026dd5e6e85317d9df45cad7803c6c20035b2f3ff63aff' +
      '4e1ba64d1c077577da3f4286c58f0aeae643',
    r:
      '0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339b19f2f281a7e0b22c269d93cf8794a92' +
      '78880ed7dbb8d9362caeacee544320552251',
    s:
      '017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c8362df4975367101f67d1cf9bccbf2f3d239534' +
      'fa509e70aac851ae01aac68d62f866472660',
  },
] as const;

const OCTETS = new TextEncoder().encode('abc');

describe.each(EXAMPLES)('ECDSA of method $method on $curve (RFC 4754)', ({ curve, method, noble, w, x, y, r, s }) => {
  const base64url = (hex: string) => Buffer.from(hex, 'hex').toString('base64url');
  const jwk = { kty: 'EC', crv: curve, x: base64url(x), y: base64url(y) };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  const signing = readPrivateKey(keyPem(createPrivateKey({ key: { ...jwk, d: base64url(w) }, format: 'jwk' })));
  /** What stands in the AUTH payload: r and s, each as long as the curve's order. */
  const published = bytesFromHex(r + s);
  const point = bytesFromHex(`04${x}${y}`);

  it('believes the published signature, as an independent implementation does', () => {
    const read = readSignature(method, published, false);
    if (!read.ok) throw new Error(read.error);
    expect(isSignedBy(publicKey, read.value.scheme, OCTETS, read.value.signature)).toBe(true);
    expect(Buffer.from(noble.getPublicKey(bytesFromHex(w), false))).toEqual(Buffer.from(point));
    expect(noble.verify(published, OCTETS, point, { lowS: false })).toBe(true);
  });

  it('does not believe it with any byte of it changed, cut, or in the form that X.509 uses', () => {
    const believed = (data: Uint8Array): boolean => {
      const read = readSignature(method, data, false);
      return read.ok && isSignedBy(publicKey, read.value.scheme, OCTETS, read.value.signature);
    };
    for (let index = 0; index < published.length; index += 1) {
      const changed = published.slice();
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(believed(changed), `byte ${index}`).toBe(false);
    }
    expect(believed(published.subarray(1))).toBe(false);
    expect(believed(Uint8Array.of(...published, 0))).toBe(false);
    expect(believed(noble.Signature.fromBytes(published).toBytes('der'))).toBe(false);
  });

  it('signs with the published key so that an independent implementation believes it', () => {
    if (!signing.ok) throw new Error(signing.error);
    const read = readSignature(method, published, false);
    if (!read.ok) throw new Error(read.error);
    const own = signing.value.signing.sign(read.value.scheme, OCTETS);
    expect(own).toHaveLength(published.length);
    expect(noble.verify(own, OCTETS, point, { lowS: false })).toBe(true);
  });
});
