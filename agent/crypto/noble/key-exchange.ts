import { x448 } from '@noble/curves/ed448.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { err, ok, type Result } from '../../result.ts';
import { drawPrivateKey, ecpCurves, invalidPoint, uncompressed } from '../ecp-curve.ts';
import { SecretBytes } from '../secret.ts';
import type { EcpName, KeyExchangeAlgorithm } from '../suites.ts';
import type { EphemeralKey, InvalidPublicValue, KeyExchange, Random } from '../types.ts';

/** The key exchange of a row that is not MODP; noble has no modular exponentiation of that size. */
export function nobleKeyExchange(row: KeyExchangeAlgorithm): KeyExchange {
  const method = nobleMethod(row);
  return {
    id: row.transformId,
    publicValueBytes: row.publicValueBytes,
    generate: (random) => new NobleKey(method, method.drawPrivateKey(random)),
  };
}

/**
 * What differs between the families of groups. Public values are computed without the library's table of multiples of
 * the base point: building one takes 25 to 75 ms and megabytes, and where OpenSSL does the work only the self-test
 * comes here.
 */
export interface NobleMethod {
  drawPrivateKey(random: Random): Uint8Array;
  publicValue(privateKey: Uint8Array): Uint8Array;
  derive(privateKey: Uint8Array, peerPublicValue: Uint8Array): Result<Uint8Array, InvalidPublicValue>;
}

class NobleKey implements EphemeralKey {
  readonly publicValue: Uint8Array;
  readonly #method: NobleMethod;
  #privateKey: Uint8Array | undefined;

  constructor(method: NobleMethod, privateKey: Uint8Array) {
    this.#method = method;
    this.#privateKey = privateKey;
    this.publicValue = method.publicValue(privateKey);
  }

  derive(peerPublicValue: Uint8Array): Result<SecretBytes, InvalidPublicValue> {
    if (this.#privateKey === undefined) throw new Error('ephemeral key used after it was wiped');
    const derived = this.#method.derive(this.#privateKey, peerPublicValue);
    return derived.ok ? ok(new SecretBytes(derived.value)) : derived;
  }

  wipe(): void {
    this.#privateKey?.fill(0);
    this.#privateKey = undefined;
  }
}

/** How noble computes the key exchange of a row. */
export function nobleMethod(row: KeyExchangeAlgorithm): NobleMethod {
  const { group } = row;
  switch (group) {
    case 'x25519':
      return montgomery(row, x25519);
    case 'x448':
      return montgomery(row, x448);
    case 'p256':
      return ecp(row, group, p256);
    case 'p384':
      return ecp(row, group, p384);
    case 'p521':
      return ecp(row, group, p521);
    case 'modp14':
    case 'modp15':
    case 'modp16':
      throw new Error(`the table gives ${row.name} to noble, which does not have it`);
  }
}

function montgomery(row: KeyExchangeAlgorithm, curve: typeof x25519): NobleMethod {
  const group = row.transformId;
  return {
    drawPrivateKey(random) {
      const key = new Uint8Array(row.publicValueBytes);
      random.fill(key);
      return key;
    },
    publicValue: (privateKey) => curve.scalarMult(privateKey, curve.GuBytes),
    derive(privateKey, peer) {
      if (peer.length !== row.publicValueBytes) return err({ kind: 'invalidPublicValue', group, reason: 'length' });
      try {
        return ok(curve.getSharedSecret(privateKey, peer));
      } catch {
        // The library takes every value of the right length and fails only where the result is all zero.
        return err({ kind: 'invalidPublicValue', group, reason: 'smallOrder' });
      }
    },
  };
}

function ecp(row: KeyExchangeAlgorithm, name: EcpName, curve: typeof p256): NobleMethod {
  const group = row.transformId;
  const parameters = ecpCurves[name];
  const basePoint = curve.Point.BASE.toBytes(false);
  return {
    drawPrivateKey: (random) => drawPrivateKey(parameters, random),
    publicValue: (privateKey) => curve.getSharedSecret(privateKey, basePoint, false).slice(1),
    derive(privateKey, peer) {
      const invalid = invalidPoint(parameters, group, peer);
      if (invalid !== undefined) return err(invalid);
      try {
        const point = curve.getSharedSecret(privateKey, uncompressed(peer), false);
        const x = point.slice(1, 1 + parameters.bytes);
        point.fill(0);
        return ok(x);
      } catch {
        return err({ kind: 'invalidPublicValue', group, reason: 'notOnCurve' });
      }
    },
  };
}
