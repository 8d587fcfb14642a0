import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { err, ok, type Result } from '../../result.ts';
import { SecretBytes } from '../secret.ts';
import type { KeyExchangeAlgorithm } from '../suites.ts';
import type { EphemeralKey, InvalidPublicValue, Random } from '../types.ts';
import { plainBytes } from './plain-bytes.ts';

/**
 * A key of X25519 or X448 (RFC 8031). Raw import and export are the fastest ways in and out; taking the private key
 * from `random` costs no more than generating a pair.
 */
export function generateMontgomeryKey(
  row: KeyExchangeAlgorithm,
  curve: 'x25519' | 'x448',
  random: Random,
): EphemeralKey {
  const secret = scratch.subarray(0, row.publicValueBytes);
  random.fill(secret);
  const privateKey = createPrivateKey({ key: secret, format: 'raw-private', asymmetricKeyType: curve });
  secret.fill(0);
  return new OpensslMontgomeryKey(row, curve, privateKey);
}

class OpensslMontgomeryKey implements EphemeralKey {
  readonly publicValue: Uint8Array;
  readonly #row: KeyExchangeAlgorithm;
  readonly #curve: 'x25519' | 'x448';
  #privateKey: KeyObject | undefined;

  constructor(row: KeyExchangeAlgorithm, curve: 'x25519' | 'x448', privateKey: KeyObject) {
    this.#row = row;
    this.#curve = curve;
    this.#privateKey = privateKey;
    this.publicValue = plainBytes(createPublicKey(privateKey).export({ format: 'raw-public' }));
  }

  derive(peerPublicValue: Uint8Array): Result<SecretBytes, InvalidPublicValue> {
    if (this.#privateKey === undefined) throw new Error('ephemeral key used after it was wiped');
    const group = this.#row.transformId;
    if (peerPublicValue.length !== this.#row.publicValueBytes) {
      return err({ kind: 'invalidPublicValue', group, reason: 'length' });
    }
    const key = scratch.subarray(0, peerPublicValue.length);
    key.set(peerPublicValue);
    try {
      const publicKey = createPublicKey({ key, format: 'raw-public', asymmetricKeyType: this.#curve });
      return ok(new SecretBytes(plainBytes(diffieHellman({ privateKey: this.#privateKey, publicKey }))));
    } catch {
      // OpenSSL takes every value of the right length and fails only where the result is all zero (RFC 7748 §6).
      return err({ kind: 'invalidPublicValue', group, reason: 'smallOrder' });
    }
  }

  wipe(): void {
    this.#privateKey = undefined;
  }
}

/**
 * For a key on its way into OpenSSL, as long as X448's: an array of its own would be moved to a memory block of its own
 * when OpenSSL reads it. Private keys are overwritten at once.
 */
const scratch = new Uint8Array(56);
