import { describe, expect, it } from 'vitest';
import { bytesFromHex, concatenate } from './bytes.ts';
import { productionProviders } from './provider.ts';
import { algorithms, noIntegrity } from './suites.ts';
import { hexOf } from './testing/hex.ts';
import { missing, sharedJson } from './testing/shared-vectors.ts';
import { type DerivationTest, derive, type WycheproofFile } from './testing/wycheproof.ts';

const reason = missing('wycheproof');

describe.skipIf(reason !== undefined)(`Wycheproof's vectors ${reason ?? ''}`, () => {
  describe.each(productionProviders)('with $name', (provider) => {
    it.each([
      { group: 'x25519', file: 'wycheproof/x25519_test.json', derived: 487, refused: 31 },
      { group: 'x448', file: 'wycheproof/x448_test.json', derived: 487, refused: 23 },
    ] as const)('on $group derive $derived secrets and refuse $refused values', ({ group, file, ...expected }) => {
      const { testGroups } = sharedJson<WycheproofFile<object, DerivationTest>>(file);
      const counts = { derived: 0, refused: 0 };
      for (const test of testGroups.flatMap((testGroup) => testGroup.tests)) {
        const outcome = derive(provider, group, bytesFromHex(test.private), bytesFromHex(test.public));
        const refused = test.result === 'invalid' || /^0*$/.test(test.shared);
        if (refused) expect(['length', 'smallOrder'], `${test.tcId} ${test.comment}`).toContain(outcome);
        else expect(outcome, `${test.tcId} ${test.comment}`).toBe(test.shared);
        counts[refused ? 'refused' : 'derived']++;
      }
      expect(counts).toEqual(expected);
    });

    it.each([
      { algorithm: 'aesGcm', file: 'wycheproof/aes_gcm_test.json', accepted: 116, refused: 81, notApplicable: 119 },
      {
        algorithm: 'chacha20Poly1305',
        file: 'wycheproof/chacha20_poly1305_test.json',
        accepted: 256,
        refused: 60,
        notApplicable: 9,
      },
    ] as const)('$algorithm opens $accepted messages and refuses $refused', ({ algorithm, file, ...expected }) => {
      const counts = { accepted: 0, refused: 0, notApplicable: 0 };
      for (const { tests, ...group } of sharedJson<WycheproofFile<AeadGroup, AeadTest>>(file).testGroups) {
        const row = algorithms.find(
          (candidate) =>
            candidate.kind === 'aead' &&
            candidate.construction === algorithm &&
            candidate.keyBytes * 8 === group.keySize &&
            candidate.icvBytes * 8 === group.tagSize,
        );
        // A nonce in IPsec is a salt of 4 bytes and an IV of 8.
        if (row === undefined || group.ivSize !== 96) {
          counts.notApplicable += tests.length;
          continue;
        }
        const protection = provider.messageProtection(row.transformId, row.keyBits, noIntegrity);
        if (protection === undefined) throw new Error(`${row.name} is not offered`);
        for (const test of tests) {
          const keys = { encryption: bytesFromHex(test.key + test.iv.slice(0, 8)), integrity: new Uint8Array(0) };
          const sealed = bytesFromHex(test.aad + test.iv.slice(8) + test.ct + test.tag);
          const opened = protection.open(keys, sealed, test.aad.length / 2);
          if (test.result !== 'valid') {
            expect(opened, `${test.tcId} ${test.comment}`).toBeUndefined();
            counts.refused++;
            continue;
          }
          expect(hexOf(opened ?? new Uint8Array(0)), `${test.tcId} ${test.comment}`).toBe(test.msg);
          const message = concatenate([bytesFromHex(test.aad + test.iv.slice(8) + test.msg), new Uint8Array(16)]);
          protection.seal(keys, message, test.aad.length / 2);
          expect(message, `${test.tcId} ${test.comment}`).toEqual(sealed);
          counts.accepted++;
        }
      }
      expect(counts).toEqual(expected);
    });

    it.each([
      { hash: 'sha1', file: 'wycheproof/hmac_sha1_test.json', equal: 66, different: 104 },
      { hash: 'sha256', file: 'wycheproof/hmac_sha256_test.json', equal: 66, different: 108 },
      { hash: 'sha384', file: 'wycheproof/hmac_sha384_test.json', equal: 66, different: 108 },
      { hash: 'sha512', file: 'wycheproof/hmac_sha512_test.json', equal: 66, different: 108 },
    ] as const)('HMAC-$hash makes $equal tags and no wrong one', ({ hash, file, ...expected }) => {
      const row = algorithms.find((candidate) => candidate.kind === 'prf' && candidate.hash === hash);
      const prf = row && provider.prf(row.transformId);
      if (prf === undefined) throw new Error(`HMAC-${hash} is not offered`);
      const counts = { equal: 0, different: 0 };
      for (const test of sharedJson<WycheproofFile<object, MacTest>>(file).testGroups.flatMap((group) => group.tests)) {
        const tag = hexOf(prf.compute(bytesFromHex(test.key), [bytesFromHex(test.msg)])).slice(0, test.tag.length);
        expect(tag === test.tag, `${test.tcId} ${test.comment}`).toBe(test.result === 'valid');
        counts[test.result === 'valid' ? 'equal' : 'different']++;
      }
      expect(counts).toEqual(expected);
    });

    it('AES-CBC makes 72 ciphertexts; the 144 about padding are not applicable, IKE has its own', () => {
      const counts = { equal: 0, notApplicable: 0 };
      const { testGroups } = sharedJson<WycheproofFile<{ keySize: number }, CbcTest>>(
        'wycheproof/aes_cbc_pkcs5_test.json',
      );
      for (const { keySize, tests } of testGroups) {
        const protection = provider.messageProtection(12, keySize, 12);
        if (protection === undefined) throw new Error(`AES-CBC-${keySize} is not offered`);
        for (const test of tests) {
          if (test.result !== 'valid') {
            counts.notApplicable++;
            continue;
          }
          const keys = { encryption: bytesFromHex(test.key), integrity: new Uint8Array(32) };
          const padding = 16 - ((test.msg.length / 2) % 16);
          const padded = test.msg + padding.toString(16).padStart(2, '0').repeat(padding);
          const message = bytesFromHex(test.iv + padded + '00'.repeat(protection.icvBytes));
          protection.seal(keys, message, 0);
          expect(hexOf(message.subarray(16, message.length - protection.icvBytes)), test.comment).toBe(test.ct);
          expect(hexOf(protection.open(keys, message, 0) ?? new Uint8Array(0)), test.comment).toBe(padded);
          counts.equal++;
        }
      }
      expect(counts).toEqual({ equal: 72, notApplicable: 144 });
    });
  });
});

interface AeadGroup {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
}

interface AeadTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

interface MacTest {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}

interface CbcTest {
  readonly key: string;
  readonly iv: string;
  readonly msg: string;
  readonly ct: string;
}
