import { hash, type KeyObject, X509Certificate } from 'node:crypto';

import { sameBytes } from '../../crypto/bytes.ts';
import { decodeScheme } from '../../pki/algorithm-identifier.ts';
import { type Certificate, readCertificate } from '../../pki/certificate.ts';
import type { KeyDescription } from '../../pki/certificate-rules.ts';
import { err, ok, type Result } from '../../result.ts';
import { describeKey } from './public-key.ts';

/** A certificate as OpenSSL and our own rules see it: both have to be able to read it. */
export interface ParsedCertificate {
  readonly der: Uint8Array;
  /** SHA-256 of all of it, in hexadecimal. */
  readonly fingerprint: string;
  readonly certificate: Certificate;
  readonly x509: X509Certificate;
  readonly publicKey: KeyObject;
  readonly keyDescription: KeyDescription;
}

/** Reads a certificate in DER; the error says what is wrong with it. */
export function parseCertificate(der: Uint8Array): Result<ParsedCertificate, string> {
  const read = readCertificate(der);
  if (!read.ok) return read;
  try {
    const x509 = new X509Certificate(der);
    // It looks for PEM first, anywhere in the bytes: an extension may hold the certificate of somebody else.
    if (!sameBytes(x509.raw, der)) return err('hides another certificate');
    const { publicKey } = x509;
    const keyDescription = describeKey(publicKey);
    return ok({ der, fingerprint: hash('sha256', der), certificate: read.value, x509, publicKey, keyDescription });
  } catch {
    return err('has a form or a key that OpenSSL cannot read');
  }
}

/**
 * Why `issuer` is not to be believed to have issued `subject`; undefined where it did. Computes with the issuer's key,
 * which has to be one that may be computed with.
 */
export function issuanceFault(issuer: ParsedCertificate, subject: ParsedCertificate): string | undefined {
  const scheme = decodeScheme(subject.certificate.algorithm);
  if (scheme === undefined || !scheme.keys.some((kind) => kind === issuer.keyDescription.kind)) {
    return 'is signed by an algorithm that is not supported: SHA-2 with RSA or ECDSA, Ed25519 and Ed448 are';
  }
  try {
    if (subject.x509.checkIssued(issuer.x509) && subject.x509.verify(issuer.publicKey)) return undefined;
  } catch {
    // The same as a signature that is wrong.
  }
  return `is not signed by ${issuer.certificate.subject.text}, whom it names as its issuer`;
}
