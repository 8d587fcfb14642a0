import type { CredentialKind } from '../../ike/fact.ts';

/** Something in a file that ends at a known time: people have to hear of it before. */
export interface WatchedCertificate {
  readonly kind: CredentialKind;
  readonly file: string;
  /** Whom it is for, or who has issued it. */
  readonly name: string;
  /** SHA-256, in hexadecimal. */
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}
