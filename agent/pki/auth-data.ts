import { concatenate } from '../crypto/bytes.ts';
import { err, ok, type Result } from '../result.ts';
import { nameOf } from '../wire/name-of.ts';
import { AuthMethod } from '../wire/registry.ts';
import { decodeScheme, encodeScheme, namesSha1 } from './algorithm-identifier.ts';
import type { SignaturePreferences, SigningKey } from './credential.ts';
import { FIXED_SCHEMES, type KeyKind, SCHEMES, type SignatureScheme } from './signature-scheme.ts';

/** What an AUTH payload that proves an identity by a signature consists of. */
export interface SignedAuth {
  readonly method: AuthMethod;
  readonly data: Uint8Array;
}

/** A signature as it stands in an AUTH payload, and how it was computed. */
export interface ReadSignature {
  readonly scheme: SignatureScheme;
  readonly signature: Uint8Array;
}

/**
 * Signs by a scheme that the key allows and the peer understands; otherwise says why there is none.
 *
 * `peerHashes` are those of its SIGNATURE_HASH_ALGORITHMS, undefined where it sent none: then it knows only the methods
 * that are older than RFC 7427.
 */
export function signAuth(
  key: SigningKey,
  peerHashes: readonly number[] | undefined,
  preferences: SignaturePreferences,
  octets: Uint8Array,
): Result<SignedAuth, string> {
  const scheme =
    peerHashes && PREFERRED[preferred(key.kind, preferences)].find((each) => peerHashes.includes(each.hash));
  if (scheme !== undefined) {
    const identifier = encodeScheme(scheme);
    const data = concatenate([Uint8Array.of(identifier.length), identifier, key.sign(scheme, octets)]);
    return ok({ method: AuthMethod.DIGITAL_SIGNATURE, data });
  }
  const older = METHODS.find((each) => each.scheme.keys.includes(key.kind));
  if (older === undefined) {
    return err(`it does not understand ${key.kind} signatures (RFC 8420): give this side an RSA or ECDSA certificate`);
  }
  if (older.method === AuthMethod.RSA_SIGNATURE && !preferences.rsaSha1) {
    return err(
      'it knows RSA signatures with SHA-1 only (no SIGNATURE_HASH_ALGORITHMS, RFC 7427): update it, give this side an ' +
        'ECDSA certificate, or allow rsaSha1 for it',
    );
  }
  return ok({ method: older.method, data: key.sign(older.scheme, octets) });
}

/** Takes the data of an AUTH payload apart; what is refused is refused for a reason that is told. */
export function readSignature(method: number, data: Uint8Array, rsaSha1: boolean): Result<ReadSignature, string> {
  if (method !== AuthMethod.DIGITAL_SIGNATURE) {
    const fixed = METHODS.find((each) => each.method === method);
    if (fixed === undefined) return err(`authenticates with ${nameOf('authMethod', method)}, which is not supported`);
    if (method === AuthMethod.RSA_SIGNATURE && !rsaSha1) {
      return err('signs with RSA and SHA-1 (authentication method 1), which is not allowed for it: rsaSha1 would');
    }
    return ok({ scheme: fixed.scheme, signature: data });
  }
  const length = data[0];
  if (length === undefined || data.length <= length + 1) return err('sent a signature that is cut short');
  const identifier = data.subarray(1, length + 1);
  const scheme = decodeScheme(identifier);
  if (scheme !== undefined) return ok({ scheme, signature: data.subarray(length + 1) });
  if (namesSha1(identifier)) return err('signs with SHA-1, which we never offer (RFC 7427 §4)');
  return err('signs by an algorithm, or with parameters, that are not supported');
}

type Preference = 'rsaPss' | 'rsaPkcs1' | Exclude<KeyKind, 'rsa'>;

function preferred(kind: KeyKind, { rsaPadding }: SignaturePreferences): Preference {
  if (kind !== 'rsa') return kind;
  return rsaPadding === 'PSS' ? 'rsaPss' : 'rsaPkcs1';
}

const { ecdsaSha256, ecdsaSha384, ecdsaSha512 } = SCHEMES;

/** For ECDSA the hash as strong as the curve first, then stronger ones (RFC 7427 §3 allows each with each). */
const PREFERRED: Readonly<Record<Preference, readonly SignatureScheme[]>> = {
  rsaPss: [SCHEMES.rsaPssSha256, SCHEMES.rsaPssSha384, SCHEMES.rsaPssSha512],
  rsaPkcs1: [SCHEMES.rsaPkcs1Sha256, SCHEMES.rsaPkcs1Sha384, SCHEMES.rsaPkcs1Sha512],
  ecdsaP256: [ecdsaSha256, ecdsaSha384, ecdsaSha512],
  ecdsaP384: [ecdsaSha384, ecdsaSha512, ecdsaSha256],
  ecdsaP521: [ecdsaSha512, ecdsaSha384, ecdsaSha256],
  ed25519: [SCHEMES.ed25519],
  ed448: [SCHEMES.ed448],
};
const METHODS: readonly { readonly method: AuthMethod; readonly scheme: SignatureScheme }[] = [
  { method: AuthMethod.RSA_SIGNATURE, scheme: FIXED_SCHEMES.rsaSha1 },
  { method: AuthMethod.ECDSA_SHA256_P256, scheme: FIXED_SCHEMES.ecdsaP256 },
  { method: AuthMethod.ECDSA_SHA384_P384, scheme: FIXED_SCHEMES.ecdsaP384 },
  { method: AuthMethod.ECDSA_SHA512_P521, scheme: FIXED_SCHEMES.ecdsaP521 },
];
