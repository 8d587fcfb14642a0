import { createDiffieHellmanGroup, createPublicKey, getCiphers, getCurves, getHashes } from 'node:crypto';
import { assembleProvider } from '../assemble-provider.ts';
import type { Algorithm } from '../suites.ts';
import type { CryptoProvider } from '../types.ts';
import { opensslAead, opensslCipher, opensslCipherName } from './ciphers.ts';
import { opensslCurves } from './ecp-key.ts';
import { opensslHkdf, opensslHmac, opensslSha1 } from './hashes.ts';
import { opensslKeyExchange } from './key-exchange.ts';

/** The provider on node:crypto: the fast one. It lacks what this host's Node and OpenSSL lack. */
export const opensslProvider: CryptoProvider = assembleProvider('openssl', {
  has: hostHas,
  hmac: opensslHmac,
  hkdf: opensslHkdf,
  aead: opensslAead,
  cipher: opensslCipher,
  keyExchange: opensslKeyExchange,
  sha1: opensslSha1,
});

function hostHas(row: Algorithm): boolean {
  switch (row.kind) {
    case 'aead':
    case 'cipher':
      return getCiphers().includes(opensslCipherName(row));
    case 'prf':
    case 'integrity':
      return getHashes().includes(row.hash);
    case 'keyExchange':
      return hostHasGroup(row.group, row.publicValueBytes);
    case 'sequenceNumbers':
      return true;
  }
}

function hostHasGroup(group: Extract<Algorithm, { kind: 'keyExchange' }>['group'], publicValueBytes: number): boolean {
  switch (group) {
    case 'x25519':
    case 'x448':
      // Importing is the cheapest use; raw keys came with Node 26, the curves may be missing from a FIPS build.
      return succeeds(() =>
        createPublicKey({
          key: new Uint8Array(publicValueBytes).fill(5),
          format: 'raw-public',
          asymmetricKeyType: group,
        }),
      );
    case 'p256':
    case 'p384':
    case 'p521':
      return getCurves().includes(opensslCurves[group]);
    case 'modp14':
    case 'modp15':
    case 'modp16':
      return succeeds(() => createDiffieHellmanGroup(group));
  }
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
