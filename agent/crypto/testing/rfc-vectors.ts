import { readFileSync } from 'node:fs';
import type { AeadAlgorithm, CipherAlgorithm, EcpName, HashName, ModpName } from '../suites.ts';

/** Published vectors; byte strings in hexadecimal, `source` says where each stands. */
export interface RfcVectors {
  /** `mac` may be truncated. */
  readonly hmac: readonly { source: string; hash: HashName; key: string; data: string; mac: string }[];
  readonly hkdf: readonly {
    source: string;
    hash: HashName;
    salt: string;
    secret: string;
    seed: string;
    output: string;
  }[];
  readonly cipher: readonly {
    source: string;
    algorithm: CipherAlgorithm['construction'];
    key: string;
    iv: string;
    plaintext: string;
    ciphertext: string;
  }[];
  /** `key` ends with the salt. */
  readonly aead: readonly {
    source: string;
    algorithm: AeadAlgorithm['construction'];
    key: string;
    iv: string;
    associatedData: string;
    plaintext: string;
    sealed: string;
  }[];
  readonly keyExchange: readonly (KeyExchangeVector & { publicValue: string })[];
  readonly montgomery: readonly KeyExchangeVector[];
  readonly modp: readonly (KeyExchangeVector & { publicValue: string; group: ModpName })[];
  readonly ikeKeys: readonly IkeKeysVector[];
}

interface KeyExchangeVector {
  readonly source: string;
  readonly group: 'x25519' | 'x448' | EcpName | ModpName;
  readonly privateKey: string;
  readonly peerPublicValue: string;
  readonly sharedSecret: string;
}

/** One case of NIST's validation of IKEv2 key derivation. */
export interface IkeKeysVector {
  readonly source: string;
  readonly hash: HashName;
  readonly initiatorNonce: string;
  readonly responderNonce: string;
  readonly sharedSecret: string;
  readonly newSharedSecret: string;
  readonly initiatorSpi: string;
  readonly responderSpi: string;
  readonly skeyseed: string;
  readonly ikeKeymat: string;
  readonly childKeymat: string;
  readonly childKeymatWithKeyExchange: string;
  readonly rekeySkeyseed: string;
}

/** The vectors that come with the source. */
export const rfcVectors: RfcVectors = JSON.parse(
  readFileSync(new URL('../testdata/rfc-vectors.json', import.meta.url), 'utf8'),
) as RfcVectors;
