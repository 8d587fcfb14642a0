import { createDiffieHellmanGroup, DiffieHellman } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytesFromHex, concatenate } from './bytes.ts';
import { offers } from './offers.ts';
import { OpensslModpKey } from './openssl/modp-key.ts';
import { productionProviders } from './provider.ts';
import { type Algorithm, algorithms, type HashName, noIntegrity } from './suites.ts';
import { hexOf } from './testing/hex.ts';
import { fixedRandom } from './testing/random.ts';
import { type RfcVectors, rfcVectors } from './testing/rfc-vectors.ts';
import { missing, sharedJson } from './testing/shared-vectors.ts';
import type { CryptoProvider, MessageProtection } from './types.ts';

describe.each(productionProviders)('published vectors with $name', (provider) => {
  it.each(rfcVectors.hmac)('HMAC-$hash: $source', ({ hash, key, data, mac }) => {
    expect(hexOf(prfWith(provider, hash).compute(bytesFromHex(key), [bytesFromHex(data)])).slice(0, mac.length)).toBe(
      mac,
    );
  });

  it.each(rfcVectors.hkdf)('prf+ after prf is HKDF with $hash: $source', ({ hash, salt, secret, seed, output }) => {
    const prf = prfWith(provider, hash);
    const derived = prf.extractAndExpand(
      bytesFromHex(salt),
      [bytesFromHex(secret)],
      [bytesFromHex(seed)],
      output.length / 2,
    );
    expect(hexOf(derived)).toBe(output);
  });

  it.each(rfcVectors.aead)('$algorithm: $source', (vector) => {
    const keyBytes = vector.key.length / 2 - 4;
    const rows = algorithms.filter(
      (row) => row.kind === 'aead' && row.construction === vector.algorithm && row.keyBytes === keyBytes,
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      expectAead(provider.messageProtection(row.transformId, row.keyBits, noIntegrity), vector);
    }
  });

  const ciphers = rfcVectors.cipher.flatMap((vector) => {
    const row = cipherOf(vector);
    return row.providers.some((name) => name === provider.name) ? [{ ...vector, row }] : [];
  });
  it.each(ciphers)('$algorithm: $source', ({ row, key, iv, plaintext, ciphertext }) => {
    const protection = provider.messageProtection(row.transformId, row.keyBits, HMAC_SHA2_256_128);
    if (protection === undefined) throw new Error(`${row.name} is not offered`);
    const keys = { encryption: bytesFromHex(key), integrity: new Uint8Array(32) };
    const message = concatenate([bytesFromHex(iv), bytesFromHex(plaintext), new Uint8Array(protection.icvBytes)]);
    protection.seal(keys, message, 0);
    expect(hexOf(message.subarray(protection.ivBytes, message.length - protection.icvBytes))).toBe(ciphertext);
    expect(hexOf(protection.open(keys, message, 0) ?? new Uint8Array(0))).toBe(plaintext);
  });

  it.each(rfcVectors.keyExchange)('$group: $source', ({ group, privateKey, publicValue, ...vector }) => {
    const key = methodOf(provider, group).generate(fixedRandom(bytesFromHex(privateKey)));
    expect(hexOf(key.publicValue)).toBe(publicValue);
    expectShared(key.derive(bytesFromHex(vector.peerPublicValue)), vector.sharedSecret);
  });

  it.each(rfcVectors.montgomery)('$group: $source', ({ group, privateKey, peerPublicValue, sharedSecret }) => {
    const key = methodOf(provider, group).generate(fixedRandom(bytesFromHex(privateKey)));
    expectShared(key.derive(bytesFromHex(peerPublicValue)), sharedSecret);
  });
});

describe('MODP with openssl', () => {
  it.each(rfcVectors.modp)('$group: $source', ({ group, privateKey, publicValue, peerPublicValue, sharedSecret }) => {
    const row = algorithms.find((candidate) => candidate.kind === 'keyExchange' && candidate.group === group);
    if (row?.kind !== 'keyExchange') throw new Error(`${group} is not in the table`);
    // A named group hides setPrivateKey, but its prototype's neighbour has it.
    const dh = createDiffieHellmanGroup(group);
    DiffieHellman.prototype.setPrivateKey.call(dh, Buffer.from(bytesFromHex(privateKey)));
    dh.generateKeys();
    const key = new OpensslModpKey(row, dh);
    expect(hexOf(key.publicValue)).toBe(publicValue);
    expectShared(key.derive(bytesFromHex(peerPublicValue)), sharedSecret);
  });
});

const aeadFiles = ['aes_gcm', 'chacha20poly1305'] as const;
/** The row of the table that a vector is for. */
function cipherOf({ algorithm, key }: RfcVectors['cipher'][number]): Algorithm {
  const found = algorithms.find(
    (row) => row.kind === 'cipher' && row.construction === algorithm && row.keyBytes === key.length / 2,
  );
  if (found === undefined) throw new Error(`no row for ${algorithm} with a key of ${key.length / 2} bytes`);
  return found;
}

/** Transform ID of the integrity algorithm that stands beside the ciphers. */
const HMAC_SHA2_256_128 = 12;

const unavailable = missing('rfc-vectors');

describe.skipIf(unavailable !== undefined)(`AEAD vectors with short ICVs and long headers ${unavailable ?? ''}`, () => {
  it.each(productionProviders)('are reproduced by $name', (provider) => {
    let used = 0;
    for (const vector of aeadFiles.flatMap((file) => sharedJson<readonly SharedAead[]>(`rfc-vectors/${file}.json`))) {
      const icvBytes = (vector.cipher.length - vector.plain.length) / 2;
      const keyBytes = Number(vector.key_size);
      const row = algorithms.find(
        (candidate) =>
          candidate.kind === 'aead' &&
          candidate.keyBytes === keyBytes &&
          candidate.icvBytes === icvBytes &&
          (candidate.construction === 'aesGcm') === vector.alg.startsWith('ENCR_AES_GCM'),
      );
      expectAead(row && provider.messageProtection(row.transformId, row.keyBits, noIntegrity), {
        key: vector.key,
        iv: vector.iv,
        associatedData: vector.adata ?? '',
        plaintext: vector.plain,
        sealed: vector.cipher,
      });
      used++;
    }
    expect(used).toBe(25);
  });
});

it('covers every algorithm of the table without vectors from outside', () => {
  const covered = (row: Algorithm): boolean => {
    switch (row.kind) {
      case 'aead':
        return rfcVectors.aead.some(
          (vector) => vector.algorithm === row.construction && vector.key.length / 2 === row.keyBytes + row.saltBytes,
        );
      case 'cipher':
        return rfcVectors.cipher.some((vector) => cipherOf(vector) === row);
      case 'prf':
      case 'integrity':
        return rfcVectors.hmac.some((vector) => vector.hash === row.hash);
      case 'keyExchange':
        return [...rfcVectors.keyExchange, ...rfcVectors.modp].some((vector) => vector.group === row.group);
      case 'sequenceNumbers':
        return true;
    }
  };
  expect(algorithms.filter((row) => !covered(row)).map((row) => row.name)).toEqual([]);
  for (const provider of productionProviders) {
    const named = algorithms.filter((row) => row.providers.some((name) => name === provider.name));
    expect(named.filter((row) => !offers(provider, row)).map((row) => row.name)).toEqual([]);
  }
});

interface SharedAead {
  readonly alg: string;
  readonly key_size: string;
  readonly key: string;
  readonly iv: string;
  readonly adata?: string;
  readonly plain: string;
  readonly cipher: string;
}

/** Seals and opens as an IKE message would be; the published ICV may be longer than the protection's. */
function expectAead(
  protection: MessageProtection | undefined,
  vector: { key: string; iv: string; associatedData: string; plaintext: string; sealed: string },
): void {
  if (protection === undefined) throw new Error('the AEAD is not offered');
  const keys = { encryption: bytesFromHex(vector.key), integrity: new Uint8Array(0) };
  const associatedData = bytesFromHex(vector.associatedData);
  const plaintext = bytesFromHex(vector.plaintext);
  const icv = new Uint8Array(protection.icvBytes);
  const message = concatenate([associatedData, bytesFromHex(vector.iv), plaintext, icv]);
  protection.seal(keys, message, associatedData.length);
  const sealed = message.subarray(associatedData.length + protection.ivBytes);
  expect(hexOf(sealed)).toBe(vector.sealed.slice(0, 2 * sealed.length));
  expect(protection.open(keys, message, associatedData.length)).toEqual(plaintext);
}

function expectShared(
  derived: ReturnType<ReturnType<ReturnType<typeof methodOf>['generate']>['derive']>,
  expected: string,
): void {
  if (!derived.ok) throw new Error(`the public value was refused: ${derived.error.reason}`);
  expect(derived.value.use(hexOf)).toBe(expected);
}

function prfWith(provider: CryptoProvider, hash: HashName) {
  const row = algorithms.find((candidate) => candidate.kind === 'prf' && candidate.hash === hash);
  const prf = row && provider.prf(row.transformId);
  if (prf === undefined) throw new Error(`${provider.name} has no PRF with ${hash}`);
  return prf;
}

function methodOf(provider: CryptoProvider, group: string) {
  const row = algorithms.find((candidate) => candidate.kind === 'keyExchange' && candidate.group === group);
  const method = row && provider.keyExchange(row.transformId);
  if (method === undefined) throw new Error(`${provider.name} has no ${group}`);
  return method;
}
