import { bytesFromHex, isLessThan } from './bytes.ts';
import type { EcpName } from './suites.ts';
import type { InvalidPublicValue, Random } from './types.ts';

/** Parameters of a random ECP group (RFC 5903 §3), big-endian. */
export interface EcpCurve {
  /** Length of a coordinate and of a private key. */
  readonly bytes: number;
  /** p of the field. */
  readonly prime: Uint8Array;
  /** n, the number of points. */
  readonly order: Uint8Array;
}

export const ecpCurves: Readonly<Record<EcpName, EcpCurve>> = {
  p256: curve(
    'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  ),
  p384: curve(
    'fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff',
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ),
  p521: curve(
    `01ff${'ff'.repeat(64)}`,
    `01ff${'ff'.repeat(31)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
  ),
};

/**
 * A private key, uniform in [1, n-1], by rejection (FIPS 186-5 §A.2.2). Throws if `random` gives only values out of
 * range, which the real one does with a chance below 2^-1024.
 */
export function drawPrivateKey({ bytes, order }: EcpCurve, random: Random): Uint8Array {
  const key = new Uint8Array(bytes);
  const unusedBits = Math.clz32(order[0] ?? 0) - 24;
  for (let attempt = 0; attempt < MAX_DRAWS; attempt++) {
    random.fill(key);
    key[0] = (key[0] ?? 0) & (0xff >> unusedBits);
    if (isLessThan(key, order) && key.some((byte) => byte !== 0)) return key;
  }
  throw new Error('the source of randomness gives no usable private key');
}

/**
 * Why a KE payload's x | y cannot be a point, as far as lengths and ranges tell (RFC 6989 §2.3); that it lies on the
 * curve is checked by the library. The point at infinity has no such encoding.
 */
export function invalidPoint(
  { bytes, prime }: EcpCurve,
  group: number,
  publicValue: Uint8Array,
): InvalidPublicValue | undefined {
  if (publicValue.length !== 2 * bytes) return { kind: 'invalidPublicValue', group, reason: 'length' };
  const inRange = isLessThan(publicValue.subarray(0, bytes), prime) && isLessThan(publicValue.subarray(bytes), prime);
  return inRange ? undefined : { kind: 'invalidPublicValue', group, reason: 'range' };
}

/** x | y in the uncompressed form of SEC 1 §2.3.3, as libraries want it. */
export function uncompressed(publicValue: Uint8Array): Uint8Array {
  const point = new Uint8Array(1 + publicValue.length);
  point[0] = UNCOMPRESSED;
  point.set(publicValue, 1);
  return point;
}

function curve(prime: string, order: string): EcpCurve {
  return { bytes: prime.length / 2, prime: bytesFromHex(prime), order: bytesFromHex(order) };
}

const UNCOMPRESSED = 4;
const MAX_DRAWS = 64;
