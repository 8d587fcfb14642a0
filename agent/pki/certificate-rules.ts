import { type Certificate, KeyUsage } from './certificate.ts';
import type { Trust } from './credential.ts';
import { MAX_RSA_BITS, MAX_RSA_EXPONENT, MIN_RSA_BITS, MIN_RSA_EXPONENT } from './limits.ts';
import { violatedConstraint } from './name-constraints.ts';
import type { KeyKind } from './signature-scheme.ts';
import { timeText } from './utc-time.ts';

/** What is known of a public key without computing with it. */
export type KeyDescription =
  | { readonly kind: Exclude<KeyKind, 'rsa'> }
  | { readonly kind: 'rsa'; readonly bits: number; readonly exponent: bigint }
  /** No key that we can check signatures by; `type` names it. */
  | { readonly kind: 'unsupported'; readonly type: string };

/** Why an end entity's certificate is not fit for IKE now (RFC 4945 §5.1.3); undefined where it is. */
export function endEntityFault(
  certificate: Certificate,
  nowMs: number,
  trust: Pick<Trust, 'extendedKeyUsages'>,
): string | undefined {
  if (certificate.authority) return 'is that of an authority, not of a peer';
  const { keyUsage, extendedKeyUsages } = certificate;
  if (keyUsage !== undefined && (keyUsage & (KeyUsage.digitalSignature | KeyUsage.nonRepudiation)) === 0) {
    return 'may not be used for signatures (key usage)';
  }
  if (!allowsUsage(extendedKeyUsages, trust.extendedKeyUsages)) {
    return `may not be used for IPsec: its extended key usages are ${extendedKeyUsages?.join(', ')}`;
  }
  return validityFault(certificate, nowMs) ?? criticalFault(certificate);
}

/** Why a certificate is not fit to issue others now (RFC 5280 §6.1.4); undefined where it is. */
export function authorityFault(certificate: Certificate, nowMs: number): string | undefined {
  if (!certificate.authority) return 'is not that of an authority (basic constraints)';
  const { keyUsage } = certificate;
  if (keyUsage !== undefined && (keyUsage & KeyUsage.keyCertSign) === 0) return 'may not sign certificates (key usage)';
  return validityFault(certificate, nowMs) ?? criticalFault(certificate);
}

/** Why a certificate does not count at this time; undefined where it does. */
export function validityFault({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): string | undefined {
  if (nowMs < notBeforeMs)
    return `is not valid before ${timeText(notBeforeMs)}; this host's clock says ${timeText(nowMs)}`;
  if (nowMs > notAfterMs) return `has expired at ${timeText(notAfterMs)}; this host's clock says ${timeText(nowMs)}`;
  return undefined;
}

/**
 * Why a path, the end entity first and a trusted authority last, is not one that RFC 5280 §6.1 allows; undefined where it
 * is. That each certificate is fit for its place by itself is checked elsewhere.
 */
export function pathFault(path: readonly Certificate[]): string | undefined {
  for (const [index, authority] of path.entries()) {
    if (index === 0) continue;
    const below = path.slice(1, index).filter((each) => !isSelfIssued(each)).length;
    if (authority.pathLength !== undefined && below > authority.pathLength) {
      return `${authority.subject.text} allows ${authority.pathLength} authorities below it, here are ${below}`;
    }
    if (authority.nameConstraints === undefined) continue;
    for (const [place, certificate] of path.slice(0, index).entries()) {
      if (place > 0 && isSelfIssued(certificate)) continue;
      const violated = violatedConstraint(certificate, authority.nameConstraints);
      if (violated !== undefined) return `${authority.subject.text} ${violated} (name constraints)`;
    }
  }
  return undefined;
}

/** Why a public key is not to be computed with; undefined where it may be. */
export function keyFault(key: KeyDescription): string | undefined {
  if (key.kind === 'unsupported') return `has a key that is not supported (${key.type})`;
  if (key.kind !== 'rsa') return undefined;
  if (key.bits < MIN_RSA_BITS) return `has an RSA key of ${key.bits} bits; at least ${MIN_RSA_BITS} are needed`;
  if (key.bits > MAX_RSA_BITS) return `has an RSA key of ${key.bits} bits; at most ${MAX_RSA_BITS} are allowed`;
  const { exponent } = key;
  if (exponent >= MIN_RSA_EXPONENT && exponent <= MAX_RSA_EXPONENT && exponent % 2n === 1n) return undefined;
  return 'has an RSA key with an exponent that is not allowed';
}

/** Whether both names are the same: then it does not count where authorities are counted (RFC 5280 §6.1). */
function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return (
    subject.parts.length === issuer.parts.length && subject.parts.every((part, index) => part === issuer.parts[index])
  );
}

function allowsUsage(named: readonly string[] | undefined, accepted: readonly string[]): boolean {
  if (named === undefined || accepted.length === 0) return true;
  return named.some((usage) => usage === ANY_USAGE || accepted.includes(usage));
}

function criticalFault({ unknownCritical }: Certificate): string | undefined {
  if (unknownCritical.length === 0) return undefined;
  return `demands that extensions be understood that are not: ${unknownCritical.slice(0, 4).join(', ')}`;
}

const ANY_USAGE = '2.5.29.37.0';
