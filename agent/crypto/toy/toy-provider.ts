import { err, ok } from '../../result.ts';
import { constantTimeEqual } from '../constant-time.ts';
import { extractAndExpand } from '../prf-plus.ts';
import { SecretBytes } from '../secret.ts';
import { encryptionOf, integrityOf, type KeyExchangeAlgorithm, keyExchangeOf, prfOf } from '../suites.ts';
import type { CryptoProvider, DirectionKeys, EphemeralKey, KeyExchange, MessageProtection, Prf } from '../types.ts';
import { Mix } from './mix.ts';

/**
 * A provider for simulations: every row of the table with its real lengths, deterministic, and some hundred times
 * faster than the real ones. Keys matter and corruption is noticed, but it keeps nothing secret.
 */
export const toyProvider: CryptoProvider = {
  name: 'toy',
  prf: toyPrf,
  keyExchange: toyKeyExchange,
  messageProtection: toyProtection,
  sha1(parts) {
    const digest = new Uint8Array(SHA1_BYTES);
    mixed(domains.hash, parts).squeeze(digest);
    return digest;
  },
};

function toyPrf(id: number): Prf | undefined {
  const row = prfOf(id);
  if (row === undefined) return undefined;
  const { outputBytes } = row;
  const base = {
    id,
    outputBytes,
    compute(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
      const output = new Uint8Array(outputBytes);
      mixed(domains.prf + id, [key, SEPARATOR, ...parts]).squeeze(output);
      return output;
    },
  };
  return {
    ...base,
    extractAndExpand: (salt, secret, seed, length) => extractAndExpand(base, salt, secret, seed, length),
  };
}

function toyKeyExchange(id: number): KeyExchange | undefined {
  const row = keyExchangeOf(id);
  if (row === undefined) return undefined;
  return {
    id,
    publicValueBytes: row.publicValueBytes,
    generate(random) {
      const publicValue = new Uint8Array(row.publicValueBytes);
      random.fill(publicValue);
      // All zero stands for the values that real groups refuse.
      publicValue[0] = (publicValue[0] ?? 0) | 1;
      return toyKey(row, publicValue);
    },
  };
}

/** The shared secret is a mix of both public values that does not depend on which is whose. */
function toyKey(row: KeyExchangeAlgorithm, publicValue: Uint8Array): EphemeralKey {
  const group = row.transformId;
  let wiped = false;
  return {
    publicValue,
    derive(peer) {
      if (wiped) throw new Error('ephemeral key used after it was wiped');
      if (peer.length !== row.publicValueBytes) return err({ kind: 'invalidPublicValue', group, reason: 'length' });
      if (peer.every((byte) => byte === 0)) return err({ kind: 'invalidPublicValue', group, reason: 'smallOrder' });
      const ours = new Uint8Array(8);
      const theirs = new Uint8Array(8);
      mixed(domains.keyExchange, [publicValue]).squeeze(ours);
      mixed(domains.keyExchange, [peer]).squeeze(theirs);
      const sum = ours.map((byte, i) => byte + (theirs[i] ?? 0));
      const secret = new Uint8Array(row.sharedSecretBytes);
      mixed(domains.keyExchange, [sum]).squeeze(secret);
      return ok(new SecretBytes(secret));
    },
    wipe() {
      wiped = true;
    },
  };
}

function toyProtection(encryption: number, keyBits: number, integrity: number): MessageProtection | undefined {
  const row = encryptionOf(encryption, keyBits);
  const mac = integrityOf(integrity);
  if (row === undefined || (row.kind === 'aead' ? integrity !== 0 : mac === undefined)) return undefined;
  const icvBytes = row.kind === 'aead' ? row.icvBytes : (mac?.icvBytes ?? 0);
  const { ivBytes, blockBytes } = row;
  return {
    ivBytes,
    icvBytes,
    blockBytes,
    encryptionKeyBytes: row.keyBytes + row.saltBytes,
    integrityKeyBytes: mac?.keyBytes ?? 0,
    unpredictableIv: row.kind === 'cipher',
    seal(keys, message, ivOffset) {
      const icvOffset = message.length - icvBytes;
      const textOffset = ivOffset + ivBytes;
      addKeystream(keys, message.subarray(ivOffset, textOffset), message.subarray(textOffset, icvOffset));
      message.set(icvOf(keys, message.subarray(0, icvOffset), icvBytes), icvOffset);
    },
    open(keys, message, ivOffset) {
      const icvOffset = message.length - icvBytes;
      const textOffset = ivOffset + ivBytes;
      const textBytes = icvOffset - textOffset;
      if (textBytes < 0 || textBytes % blockBytes !== 0 || (row.kind === 'cipher' && textBytes === 0)) return undefined;
      const icv = icvOf(keys, message.subarray(0, icvOffset), icvBytes);
      if (!constantTimeEqual(icv, message.subarray(icvOffset))) return undefined;
      const text = message.slice(textOffset, icvOffset);
      addKeystream(keys, message.subarray(ivOffset, textOffset), text);
      return text;
    },
  };
}

function icvOf(keys: DirectionKeys, message: Uint8Array, icvBytes: number): Uint8Array {
  const icv = new Uint8Array(icvBytes);
  mixed(domains.icv, [keys.encryption, SEPARATOR, keys.integrity, SEPARATOR, message]).squeeze(icv);
  return icv;
}

/** Adds a repeating keystream of key and IV, so that a plaintext never stands on the simulated wire. */
function addKeystream(keys: DirectionKeys, iv: Uint8Array, text: Uint8Array): void {
  const keystream = new Uint8Array(KEYSTREAM_BYTES);
  mixed(domains.keystream, [keys.encryption, iv]).squeeze(keystream);
  for (let i = 0; i < text.length; i++) text[i] = (text[i] ?? 0) ^ (keystream[i % KEYSTREAM_BYTES] ?? 0);
}

function mixed(domain: number, parts: readonly Uint8Array[]): Mix {
  const mix = new Mix(domain);
  for (const part of parts) mix.absorb(part);
  return mix;
}

const domains = { hash: 1, keyExchange: 2, icv: 3, keystream: 4, prf: 16 } as const;
const SEPARATOR = Uint8Array.of(0x5c, 0x36);
const SHA1_BYTES = 20;
const KEYSTREAM_BYTES = 32;
