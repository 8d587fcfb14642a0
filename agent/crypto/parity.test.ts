import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatenate } from './bytes.ts';
import { nobleProvider } from './noble/noble-provider.ts';
import { protectionWith } from './offers.ts';
import { opensslProvider } from './openssl/openssl-provider.ts';
import { type Algorithm, algorithms } from './suites.ts';
import { hexOf } from './testing/hex.ts';
import { seededRandom } from './testing/random.ts';
import type { CryptoProvider } from './types.ts';

const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });
const shared = algorithms.filter((row) => row.providers.length === 2);

describe('openssl and noble agree on', () => {
  it.each(shared.filter((row) => row.kind === 'prf'))('the PRF $name', (row) => {
    const keys = fc.tuple(
      bytes(0, 200),
      fc.array(bytes(0, 100), { maxLength: 4 }),
      bytes(0, 1200),
      fc.integer({ min: 1, max: 500 }),
    );
    fc.assert(
      fc.property(keys, ([key, parts, seed, length]) => {
        expectSame((provider) => {
          const prf = provider.prf(row.transformId);
          return prf && hexOf(prf.compute(key, parts)) + hexOf(prf.extractAndExpand(key, parts, [seed], length));
        });
      }),
    );
  });

  it.each(shared.filter((row) => row.kind === 'aead' || row.kind === 'cipher' || row.kind === 'integrity'))(
    'messages under $name',
    (row) => {
      const protection = protectionWith(opensslProvider, row);
      if (protection === undefined) throw new Error(`${row.name} is not offered`);
      const { blockBytes, encryptionKeyBytes, integrityKeyBytes, ivBytes, icvBytes } = protection;
      const inputs = fc.tuple(
        bytes(encryptionKeyBytes),
        bytes(integrityKeyBytes),
        bytes(0, 60),
        bytes(ivBytes),
        fc.integer({ min: 1, max: 40 }).chain((blocks) => bytes(blocks * blockBytes)),
      );
      fc.assert(
        fc.property(inputs, ([encryption, integrity, header, iv, plaintext]) => {
          const sealed = expectSame((provider) => {
            const message = concatenate([header, iv, plaintext, new Uint8Array(icvBytes)]);
            protectionWith(provider, row)?.seal({ encryption, integrity }, message, header.length);
            return hexOf(message);
          });
          const opened = expectSame((provider) => {
            const message = Buffer.from(sealed ?? '', 'hex');
            return hexOf(
              protectionWith(provider, row)?.open({ encryption, integrity }, message, header.length) ?? message,
            );
          });
          expect(opened).toBe(hexOf(plaintext));
        }),
        { numRuns: 50 },
      );
    },
  );

  it.each(shared.filter((row) => row.kind === 'keyExchange'))('keys and secrets of $name', (row) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (ours, theirs) => {
        expectSame((provider) => {
          const method = provider.keyExchange(row.transformId);
          const peer = method?.generate(seededRandom(theirs)).publicValue ?? new Uint8Array(0);
          const key = method?.generate(seededRandom(ours));
          const derived = key?.derive(peer);
          return derived?.ok ? hexOf(key?.publicValue ?? peer) + derived.value.use(hexOf) : 'refused';
        });
      }),
      { numRuns: 5 },
    );
  });

  it.each(shared.filter((row) => row.kind === 'keyExchange'))(
    'which random public values of $name are valid',
    (row) => {
      fc.assert(
        fc.property(bytes(row.publicValueBytes), (peer) => {
          expectSame((provider) => {
            const derived = provider.keyExchange(row.transformId)?.generate(seededRandom(1)).derive(peer);
            return derived?.ok ? derived.value.use(hexOf) : derived?.error.reason;
          });
        }),
        { numRuns: 5 },
      );
    },
  );

  it('prf+ with a seed longer than OpenSSL takes for HKDF', () => {
    const seed = new Uint8Array(1100).fill(1);
    expectSame((provider) => {
      const prf = provider.prf(5);
      return prf && hexOf(prf.extractAndExpand(new Uint8Array(16), [new Uint8Array(32)], [seed], 100));
    });
  });

  it('SHA-1', () => {
    fc.assert(
      fc.property(fc.array(bytes(0, 100)), (parts) => {
        expectSame((provider) => hexOf(provider.sha1(parts)));
      }),
    );
  });
});

it('leaves only MODP to openssl alone, and nothing that computes to nobody', () => {
  const alone = (row: Algorithm): boolean => row.providers.length === 1 && row.providers[0] === 'openssl';
  expect(algorithms.filter(alone).map((row) => row.name)).toEqual(['MODP_2048', 'MODP_3072', 'MODP_4096']);
  expect(algorithms.filter((row) => row.providers.length === 0).map((row) => row.kind)).toEqual([
    'sequenceNumbers',
    'sequenceNumbers',
  ]);
});

function expectSame(outcome: (provider: CryptoProvider) => string | undefined): string | undefined {
  const [openssl, noble] = [outcome(opensslProvider), outcome(nobleProvider)];
  expect(openssl).toBeDefined();
  expect(openssl).toBe(noble);
  return openssl;
}
