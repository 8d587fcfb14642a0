import { constants, type KeyObject, verify } from 'node:crypto';

import type { KeyDescription } from '../../pki/certificate-rules.ts';
import type { KeyKind, SignatureScheme } from '../../pki/signature-scheme.ts';
import { HashAlgorithm } from '../../wire/registry.ts';

/** What a key of OpenSSL's is; nothing is computed with it. */
export function describeKey(key: KeyObject): KeyDescription {
  const { asymmetricKeyType: type = 'no key pair' } = key;
  if (type === 'ed25519' || type === 'ed448') return { kind: type };
  const { asymmetricKeyDetails: details = {} } = key;
  if (type === 'rsa') {
    return { kind: 'rsa', bits: details.modulusLength ?? 0, exponent: details.publicExponent ?? 0n };
  }
  const curve = type === 'ec' ? CURVES[details.namedCurve ?? ''] : undefined;
  if (curve !== undefined) return { kind: curve };
  return { kind: 'unsupported', type: details.namedCurve === undefined ? type : `${type} ${details.namedCurve}` };
}

/** Whether `signature` is that of `octets` by `scheme`; whatever OpenSSL cannot even try is not. */
export function isSignedBy(
  key: KeyObject,
  scheme: SignatureScheme,
  octets: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verify(hashName(scheme), octets, { key, ...parameters(scheme) }, signature) === true;
  } catch {
    return false;
  }
}

/** OpenSSL's name of a scheme's hash; null where the octets are signed as they are. */
export function hashName(scheme: SignatureScheme): string | null {
  return HASH_NAMES[scheme.hash];
}

/** How OpenSSL is told of a scheme, for signing and for checking. */
export function parameters({ algorithm }: SignatureScheme) {
  switch (algorithm) {
    case 'rsaPkcs1':
      return { padding: constants.RSA_PKCS1_PADDING };
    case 'rsaPss':
      return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    case 'ecdsa':
      return { dsaEncoding: 'der' } as const;
    case 'ecdsaFixed':
      return { dsaEncoding: 'ieee-p1363' } as const;
    default:
      return {};
  }
}

const CURVES: Readonly<Record<string, Exclude<KeyKind, 'rsa'>>> = {
  prime256v1: 'ecdsaP256',
  secp384r1: 'ecdsaP384',
  secp521r1: 'ecdsaP521',
};
const HASH_NAMES: Readonly<Record<HashAlgorithm, string | null>> = {
  [HashAlgorithm.SHA1]: 'sha1',
  [HashAlgorithm.SHA2_256]: 'sha256',
  [HashAlgorithm.SHA2_384]: 'sha384',
  [HashAlgorithm.SHA2_512]: 'sha512',
  [HashAlgorithm.IDENTITY]: null,
};
