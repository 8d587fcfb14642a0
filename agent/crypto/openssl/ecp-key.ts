import { createECDH, type ECDH } from 'node:crypto';
import { err, ok, type Result } from '../../result.ts';
import { drawPrivateKey, ecpCurves, invalidPoint, uncompressed } from '../ecp-curve.ts';
import { SecretBytes } from '../secret.ts';
import type { EcpName, KeyExchangeAlgorithm } from '../suites.ts';
import type { EphemeralKey, InvalidPublicValue, Random } from '../types.ts';
import { plainBytes } from './plain-bytes.ts';

/** OpenSSL's names of the curves. */
export const opensslCurves: Readonly<Record<EcpName, string>> = {
  p256: 'prime256v1',
  p384: 'secp384r1',
  p521: 'secp521r1',
};

/** A key of an ECP group (RFC 5903). An ECDH object with a private key set is faster than a pair of KeyObjects. */
export function generateEcpKey(row: KeyExchangeAlgorithm, curve: EcpName, random: Random): EphemeralKey {
  const ecdh = createECDH(opensslCurves[curve]);
  const secret = drawPrivateKey(ecpCurves[curve], random);
  ecdh.setPrivateKey(secret);
  secret.fill(0);
  return new OpensslEcpKey(row, curve, ecdh);
}

class OpensslEcpKey implements EphemeralKey {
  readonly publicValue: Uint8Array;
  readonly #row: KeyExchangeAlgorithm;
  readonly #curve: EcpName;
  #ecdh: ECDH | undefined;

  constructor(row: KeyExchangeAlgorithm, curve: EcpName, ecdh: ECDH) {
    this.#row = row;
    this.#curve = curve;
    this.#ecdh = ecdh;
    this.publicValue = plainBytes(ecdh.getPublicKey()).slice(1);
  }

  derive(peerPublicValue: Uint8Array): Result<SecretBytes, InvalidPublicValue> {
    if (this.#ecdh === undefined) throw new Error('ephemeral key used after it was wiped');
    const group = this.#row.transformId;
    const invalid = invalidPoint(ecpCurves[this.#curve], group, peerPublicValue);
    if (invalid !== undefined) return err(invalid);
    try {
      return ok(new SecretBytes(plainBytes(this.#ecdh.computeSecret(uncompressed(peerPublicValue)))));
    } catch {
      return err({ kind: 'invalidPublicValue', group, reason: 'notOnCurve' });
    }
  }

  wipe(): void {
    this.#ecdh = undefined;
  }
}
