import { createDiffieHellmanGroup, type DiffieHellmanGroup } from 'node:crypto';
import { err, ok, type Result } from '../../result.ts';
import { isLessThan } from '../bytes.ts';
import { SecretBytes } from '../secret.ts';
import type { KeyExchangeAlgorithm, ModpName } from '../suites.ts';
import type { EphemeralKey, InvalidPublicValue } from '../types.ts';

/**
 * A key of a MODP group (RFC 3526). Node lets nobody choose the private key of a named group, and a group made from
 * its prime costs a primality test of 0.2 s, so OpenSSL draws the key itself.
 */
export function generateModpKey(row: KeyExchangeAlgorithm, name: ModpName): EphemeralKey {
  const group = createDiffieHellmanGroup(name);
  group.generateKeys();
  return new OpensslModpKey(row, group);
}

/** The ephemeral key that a group object with a key pair holds. */
export class OpensslModpKey implements EphemeralKey {
  readonly publicValue: Uint8Array;
  readonly #row: KeyExchangeAlgorithm;
  #group: DiffieHellmanGroup | undefined;

  constructor(row: KeyExchangeAlgorithm, group: DiffieHellmanGroup) {
    this.#row = row;
    this.#group = group;
    this.publicValue = leftPadded(group.getPublicKey(), row.publicValueBytes);
  }

  derive(peerPublicValue: Uint8Array): Result<SecretBytes, InvalidPublicValue> {
    if (this.#group === undefined) throw new Error('ephemeral key used after it was wiped');
    const { transformId: group, publicValueBytes } = this.#row;
    if (peerPublicValue.length !== publicValueBytes) {
      return err({ kind: 'invalidPublicValue', group, reason: 'length' });
    }
    if (!withinGroup(peerPublicValue, this.#group.getPrime())) {
      return err({ kind: 'invalidPublicValue', group, reason: 'range' });
    }
    const secret = this.#group.computeSecret(peerPublicValue);
    const padded = leftPadded(secret, publicValueBytes);
    secret.fill(0);
    return ok(new SecretBytes(padded));
  }

  wipe(): void {
    this.#group = undefined;
  }
}

/** 1 < y < p-1, all that a safe prime asks for (RFC 6989 §2.1). */
function withinGroup(publicValue: Uint8Array, prime: Uint8Array): boolean {
  const one = new Uint8Array(prime.length);
  one[prime.length - 1] = 1;
  // The primes are odd, so subtracting one clears the last bit.
  const primeMinusOne = Uint8Array.from(prime);
  primeMinusOne[prime.length - 1] = (prime[prime.length - 1] ?? 0) - 1;
  return isLessThan(one, publicValue) && isLessThan(publicValue, primeMinusOne);
}

function leftPadded(bytes: Uint8Array, length: number): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(bytes, length - bytes.length);
  return padded;
}
