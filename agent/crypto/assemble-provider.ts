import { type Aead, aeadProtection, type Cipher, cipherProtection, type Hmac } from './message-protection.ts';
import { extractAndExpand } from './prf-plus.ts';
import {
  type AeadAlgorithm,
  type Algorithm,
  type CipherAlgorithm,
  encryptionOf,
  type HashName,
  integrityOf,
  type KeyExchangeAlgorithm,
  keyExchangeOf,
  noIntegrity,
  type PrfAlgorithm,
  type ProductionProvider,
  prfOf,
} from './suites.ts';
import type { CryptoProvider, KeyExchange, MessageProtection, Prf } from './types.ts';

/** What a cryptographic library has to offer; everything that is IKE and not the library's is added here. */
export interface Primitives {
  /** Whether this host's library has what a row needs. Asked once per row. */
  has(row: Algorithm): boolean;
  hmac(hash: HashName): Hmac;
  /** `Prf.extractAndExpand` for HMAC with `hash`, where the library has something faster than its HMAC. */
  hkdf?(hash: HashName): Prf['extractAndExpand'];
  aead(row: AeadAlgorithm): Aead;
  cipher(row: CipherAlgorithm): Cipher;
  keyExchange(row: KeyExchangeAlgorithm): KeyExchange;
  sha1(parts: readonly Uint8Array[]): Uint8Array;
}

/** A provider of all rows of the table that name it and that its library has. Algorithms are built when first asked for. */
export function assembleProvider(name: ProductionProvider, primitives: Primitives): CryptoProvider {
  const usable = <T extends Algorithm>(row: T | undefined): T | undefined =>
    row?.providers.includes(name) && primitives.has(row) ? row : undefined;
  const prfs = remembered((id: number) => {
    const row = usable(prfOf(id));
    return row && assemblePrf(row, primitives);
  });
  const keyExchanges = remembered((id: number) => {
    const row = usable(keyExchangeOf(id));
    return row && primitives.keyExchange(row);
  });
  // The Key Length and transform IDs are 16-bit fields, so the three make one exact number.
  const protections = remembered((key: number): MessageProtection | undefined => {
    const encryption = usable(encryptionOf(Math.floor(key / 2 ** 32), Math.floor(key / 2 ** 16) % 2 ** 16));
    const integrity = key % 2 ** 16;
    if (encryption?.kind === 'aead') {
      return integrity === noIntegrity ? aeadProtection(encryption, primitives.aead(encryption)) : undefined;
    }
    const mac = usable(integrityOf(integrity));
    if (encryption === undefined || mac === undefined) return undefined;
    return cipherProtection(encryption, mac, primitives.cipher(encryption), primitives.hmac(mac.hash));
  });
  return {
    name,
    prf: prfs,
    keyExchange: keyExchanges,
    messageProtection: (encryption, keyBits, integrity) =>
      protections(encryption * 2 ** 32 + keyBits * 2 ** 16 + integrity),
    sha1: primitives.sha1,
  };
}

function assemblePrf(row: PrfAlgorithm, primitives: Primitives): Prf {
  const base = { id: row.transformId, outputBytes: row.outputBytes, compute: primitives.hmac(row.hash) };
  return {
    ...base,
    extractAndExpand:
      primitives.hkdf?.(row.hash) ??
      ((salt, secret, seed, length) => extractAndExpand(base, salt, secret, seed, length)),
  };
}

/** Remembers what was made, but not what there is not: numbers come from peers, who could fill the memory with them. */
function remembered<T>(make: (key: number) => T | undefined): (key: number) => T | undefined {
  const made = new Map<number, T>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    if (value !== undefined) made.set(key, value);
    return value;
  };
}
