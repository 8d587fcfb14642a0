import { describe, expect, it } from 'vitest';

import { nobleProvider } from '../crypto/noble/noble-provider.ts';
import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { childConfig, Pair, proposal } from './testing/pair.ts';

const PROVIDERS = [
  ['openssl', opensslProvider, opensslProvider],
  ['noble', nobleProvider, nobleProvider],
  ['openssl and noble', opensslProvider, nobleProvider],
  ['noble and openssl', nobleProvider, opensslProvider],
] as const;

const SUITES = [
  ['AES-GCM and X25519', ['aes256gcm16', 'prfsha384', 'x25519'], ['aes256gcm16', 'esn']],
  ['AES-GCM and ECP-384', ['aes128gcm16', 'prfsha256', 'ecp384'], ['aes128gcm16', 'noesn']],
  ['AES-CBC, HMAC and ECP-256', ['aes256', 'sha256', 'prfsha256', 'ecp256'], ['aes128', 'sha256', 'esn']],
  ['ChaCha20-Poly1305 and X25519', ['chacha20poly1305', 'prfsha512', 'x25519'], ['chacha20poly1305', 'esn']],
] as const;

describe.each(PROVIDERS)('with %s', (_, crypto, rightCrypto) => {
  it.each(SUITES)('%s: both ends derive the same keys for IKE and for ESP', (_suite, ike, esp) => {
    const both = { proposals: [proposal(...ike)], children: [childConfig({ proposals: [proposal(...esp)] })] };
    const pair = new Pair({ crypto, rightCrypto }).configure(both, both).settle();
    expect(pair.encrypts()).toBe(true);
    pair.command(pair.right, { kind: 'terminate', name: 'left' });
    pair.settle();
    expect(pair.status(pair.left).ikeSas).toEqual([]);
  });
});
