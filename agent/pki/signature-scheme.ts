import { HashAlgorithm } from '../wire/registry.ts';

/** Kinds of keys that certificates may hold. */
export type KeyKind = 'rsa' | 'ecdsaP256' | 'ecdsaP384' | 'ecdsaP521' | 'ed25519' | 'ed448';

/** How a signature is computed over octets. */
export interface SignatureScheme {
  /** For people. */
  readonly name: string;
  /** `ecdsa` is encoded in DER (RFC 3279), `ecdsaFixed` as r and s of the curve's length each (RFC 4754 §3). */
  readonly algorithm: 'rsaPkcs1' | 'rsaPss' | 'ecdsa' | 'ecdsaFixed' | 'ed25519' | 'ed448';
  /** Of `HashAlgorithm`; IDENTITY where the octets are signed as they are (RFC 8420 §2). The salt of PSS is as long. */
  readonly hash: HashAlgorithm;
  /** The keys that can sign so. */
  readonly keys: readonly KeyKind[];
}

const { SHA1, SHA2_256, SHA2_384, SHA2_512, IDENTITY } = HashAlgorithm;
const RSA: readonly KeyKind[] = ['rsa'];
const ECDSA: readonly KeyKind[] = ['ecdsaP256', 'ecdsaP384', 'ecdsaP521'];

/** The schemes of authentication method 14 (RFC 7427, RFC 8420). SHA-1 is none of them, whatever a peer offers. */
export const SCHEMES = {
  rsaPkcs1Sha256: scheme('RSA PKCS #1 SHA2-256', 'rsaPkcs1', SHA2_256, RSA),
  rsaPkcs1Sha384: scheme('RSA PKCS #1 SHA2-384', 'rsaPkcs1', SHA2_384, RSA),
  rsaPkcs1Sha512: scheme('RSA PKCS #1 SHA2-512', 'rsaPkcs1', SHA2_512, RSA),
  rsaPssSha256: scheme('RSA PSS SHA2-256', 'rsaPss', SHA2_256, RSA),
  rsaPssSha384: scheme('RSA PSS SHA2-384', 'rsaPss', SHA2_384, RSA),
  rsaPssSha512: scheme('RSA PSS SHA2-512', 'rsaPss', SHA2_512, RSA),
  ecdsaSha256: scheme('ECDSA SHA2-256', 'ecdsa', SHA2_256, ECDSA),
  ecdsaSha384: scheme('ECDSA SHA2-384', 'ecdsa', SHA2_384, ECDSA),
  ecdsaSha512: scheme('ECDSA SHA2-512', 'ecdsa', SHA2_512, ECDSA),
  ed25519: scheme('Ed25519', 'ed25519', IDENTITY, ['ed25519']),
  ed448: scheme('Ed448', 'ed448', IDENTITY, ['ed448']),
} as const satisfies Record<string, SignatureScheme>;

/** The schemes of methods that are older than RFC 7427 and name one each. */
export const FIXED_SCHEMES = {
  /** Method 1 (RFC 7296 §3.8): with SHA-1, so it is off unless the configuration asks for it. */
  rsaSha1: scheme('RSA PKCS #1 SHA-1', 'rsaPkcs1', SHA1, RSA),
  /** Methods 9, 10 and 11 (RFC 4754). */
  ecdsaP256: scheme('ECDSA P-256 SHA2-256', 'ecdsaFixed', SHA2_256, ['ecdsaP256']),
  ecdsaP384: scheme('ECDSA P-384 SHA2-384', 'ecdsaFixed', SHA2_384, ['ecdsaP384']),
  ecdsaP521: scheme('ECDSA P-521 SHA2-512', 'ecdsaFixed', SHA2_512, ['ecdsaP521']),
} as const satisfies Record<string, SignatureScheme>;

/** What we accept and say so in SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4). */
export const ACCEPTED_HASHES: readonly HashAlgorithm[] = [SHA2_256, SHA2_384, SHA2_512, IDENTITY];

function scheme(
  name: string,
  algorithm: SignatureScheme['algorithm'],
  hash: HashAlgorithm,
  keys: readonly KeyKind[],
): SignatureScheme {
  return { name, algorithm, hash, keys };
}
