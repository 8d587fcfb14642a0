import type { KeyKind, SignatureScheme } from './signature-scheme.ts';

/** Our own private key, wherever it lies: nobody but its owner sees it. */
export interface SigningKey {
  readonly kind: KeyKind;
  /** Signs by a scheme that fits the key; at once, and it cannot fail. */
  sign(scheme: SignatureScheme, octets: Uint8Array): Uint8Array;
}

/** A certificate of our own with its key. */
export interface Credential {
  /** SHA-256 over all of `certificates`, in hexadecimal: two credentials with the same one show the same. */
  readonly fingerprint: string;
  /** DER, our own certificate first, then intermediates; what CERT payloads carry (RFC 7296 §3.6). */
  readonly certificates: readonly Uint8Array[];
  /** {@link keyHash Key hashes} of the authorities above it, by which a CERTREQ chooses it. */
  readonly authorities: readonly KeyHash[];
  readonly key: SigningKey;
  /** When the certificate ends, in milliseconds since the epoch. */
  readonly notAfterMs: number;
}

/** Whether two credentials show the same certificates, and are chosen by the same CERTREQs. */
export function sameCredential(left: Credential, right: Credential): boolean {
  return left.fingerprint === right.fingerprint && left.authorities.join() === right.authorities.join();
}

/** SHA-1 of a SubjectPublicKeyInfo in lower-case hexadecimal: how CERTREQ names an authority (RFC 7296 §3.7). */
export type KeyHash = string;

/** What to do about certificates of which no current revocation list says anything. */
export type RevocationPolicy =
  /** Lists are used where they are there and current; without one, a certificate counts as good. */
  | 'IfPresent'
  /** Every certificate of a path needs a current list of its issuer. */
  | 'Required';

/** Whose certificates are believed, and for what. */
export interface Trust {
  /** SHA-256 over everything below, in hexadecimal: two with the same one are the same. */
  readonly fingerprint: string;
  /** Certificates of authorities in DER; the current one and its predecessor or successor while a CA is rolled. */
  readonly anchors: readonly Uint8Array[];
  /** The anchors' keys, for CERTREQ. */
  readonly authorities: readonly KeyHash[];
  /** Certificate revocation lists in DER. */
  readonly revocationLists: readonly Uint8Array[];
  readonly revocation: RevocationPolicy;
  /**
   * Object identifiers of extended key usages, one of which a peer's certificate must have where it names any; a
   * certificate that names none, or anyExtendedKeyUsage, may be used for everything (RFC 4945 §5.1.3.12).
   */
  readonly extendedKeyUsages: readonly string[];
}

/** How we sign where the peer leaves a choice, and which outdated methods it may use. */
export interface SignaturePreferences {
  readonly rsaPadding: 'PSS' | 'PKCS1';
  /** Whether authentication method 1, which is RSA with SHA-1, is used with peers that know no other. */
  readonly rsaSha1: boolean;
}
