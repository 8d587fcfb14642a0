import { describe, expect, it } from 'vitest';
import { ok } from '../result.ts';
import { nobleProvider } from './noble/noble-provider.ts';
import { offers } from './offers.ts';
import { opensslProvider } from './openssl/openssl-provider.ts';
import { chooseProvider, productionProviders } from './provider.ts';
import { SecretBytes } from './secret.ts';
import { selfTest } from './self-test.ts';
import { type Algorithm, algorithmByKeyword, algorithms } from './suites.ts';
import type { CryptoProvider, MessageProtection } from './types.ts';

describe('the self-test', () => {
  it.each(productionProviders)('passes for every algorithm that the table says $name computes', (provider) => {
    const computed = algorithms.filter(({ providers }) => providers.some((name) => name === provider.name));
    expect(computed.length).toBeGreaterThan(20);
    expect(selfTest([provider])).toEqual(ok(computed.length));
  });

  it('tests only the algorithms in use', () => {
    const rows = ['aes256gcm16', 'prfsha384', 'x25519', 'esn'].map(row);
    expect(selfTest(productionProviders, rows)).toEqual(ok(6));
  });

  it.each<[string, string, CryptoProvider, string]>([
    ['prfsha256', 'HMAC_SHA2_256', withPrf((output) => output.map((byte) => byte ^ 1)), 'wrong output'],
    ['prfsha512', 'HMAC_SHA2_512', withExpansion(), 'wrong prf+'],
    ['aes128gcm16', 'AES_GCM_16-128', withProtection({ seal: () => undefined }), 'wrong ciphertext or ICV'],
    ['aes256', 'AES_CBC-256', withProtection({ seal: () => undefined }), 'wrong ciphertext'],
    ['sha256', 'HMAC_SHA2_256_128', withProtection({ seal: () => undefined }), 'wrong ICV'],
    ['aes192gcm8', 'AES_GCM_8-192', withProtection({ open: () => undefined }), 'wrong plaintext'],
    ['ecp384', 'ECP_384', withSecret(), 'wrong shared secret'],
    ['modp2048', 'MODP_2048', withSecret(), 'wrong shared secret'],
  ])('names provider and algorithm when %s of one computes something else', (keyword, algorithm, provider, reason) => {
    expect(selfTest([nobleProvider, provider], [row(keyword)])).toEqual({
      ok: false,
      error: { kind: 'selfTestFailed', provider: 'openssl', algorithm, reason },
    });
  });

  it('notices an AEAD that opens what was changed', () => {
    const [keyword, plaintexts] = ['chacha20poly1305', Buffer.from('0000000c000040010000000a00', 'hex')];
    const careless = withProtection({ open: () => new Uint8Array(plaintexts) });
    expect(selfTest([careless], [row(keyword)])).toMatchObject({ error: { reason: 'it accepts a wrong ICV' } });
  });

  it('reports a library that throws as a failure', () => {
    const broken: CryptoProvider = {
      ...opensslProvider,
      keyExchange: (id) => ({
        id,
        publicValueBytes: 32,
        generate() {
          throw new Error('unsupported');
        },
      }),
    };
    expect(selfTest([broken], [row('x25519')])).toEqual({
      ok: false,
      error: { kind: 'selfTestFailed', provider: 'openssl', algorithm: 'CURVE25519', reason: 'it threw unsupported' },
    });
  });
});

describe('the choice of the provider', () => {
  it('is openssl where it has everything, and what was asked for otherwise', () => {
    const complete = algorithms.every((each) => !each.providers.includes('noble') || offers(opensslProvider, each));
    expect(chooseProvider(undefined).name).toBe(complete ? 'openssl' : 'noble');
    expect(chooseProvider('noble')).toBe(nobleProvider);
    expect(chooseProvider('openssl')).toBe(opensslProvider);
  });
});

function row(keyword: string): Algorithm {
  const found = algorithmByKeyword(keyword);
  if (found === undefined) throw new Error(`${keyword} is not in the table`);
  return found;
}

function withPrf(change: (output: Uint8Array) => Uint8Array): CryptoProvider {
  return {
    ...opensslProvider,
    prf(id) {
      const prf = opensslProvider.prf(id);
      return prf && { ...prf, compute: (key, parts) => change(prf.compute(key, parts)) };
    },
  };
}

function withExpansion(): CryptoProvider {
  return {
    ...opensslProvider,
    prf(id) {
      const prf = opensslProvider.prf(id);
      return prf && { ...prf, extractAndExpand: (_salt, _secret, _seed, length) => new Uint8Array(length) };
    },
  };
}

function withProtection(change: Partial<MessageProtection>): CryptoProvider {
  return {
    ...opensslProvider,
    messageProtection(encryption, keyBits, integrity) {
      const protection = opensslProvider.messageProtection(encryption, keyBits, integrity);
      return protection && { ...protection, ...change };
    },
  };
}

function withSecret(): CryptoProvider {
  return {
    ...opensslProvider,
    keyExchange(id) {
      const method = opensslProvider.keyExchange(id);
      if (method === undefined) return undefined;
      return {
        ...method,
        generate(random) {
          const { publicValue } = method.generate(random);
          return { publicValue, derive: () => ok(new SecretBytes(new Uint8Array(48))), wipe: () => undefined };
        },
      };
    },
  };
}
