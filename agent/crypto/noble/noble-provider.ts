import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { assembleProvider } from '../assemble-provider.ts';
import { concatenate } from '../bytes.ts';
import type { Hmac } from '../message-protection.ts';
import type { HashName } from '../suites.ts';
import type { CryptoProvider } from '../types.ts';
import { nobleAead, nobleCipher } from './ciphers.ts';
import { nobleKeyExchange } from './key-exchange.ts';

/** The provider in JavaScript: the reference, and the fallback where OpenSSL lacks something. It has no MODP. */
export const nobleProvider: CryptoProvider = assembleProvider('noble', {
  has: () => true,
  hmac: nobleHmac,
  aead: nobleAead,
  cipher: nobleCipher,
  keyExchange: nobleKeyExchange,
  sha1: (parts) => sha1(concatenate(parts)),
});

function nobleHmac(hash: HashName): Hmac {
  return (key, parts) => {
    const mac = hmac.create(hashes[hash], key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  };
}

const hashes = { sha1, sha256, sha384, sha512 };
