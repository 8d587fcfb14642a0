import { decodeScheme } from '../../pki/algorithm-identifier.ts';
import { type Certificate, KeyUsage } from '../../pki/certificate.ts';
import type { Trust } from '../../pki/credential.ts';
import { sameName } from '../../pki/distinguished-name.ts';
import { type RevocationList, readRevocationList } from '../../pki/revocation-list.ts';
import { timeText } from '../../pki/utc-time.ts';
import { type ParsedCertificate, parseCertificate } from './parsed-certificate.ts';
import { isSignedBy } from './public-key.ts';

/** The authorities and revocation lists of one `Trust`, read once. What cannot be read is not there. */
export class TrustStore {
  readonly anchors: readonly ParsedCertificate[];
  readonly #lists: readonly RevocationList[];
  readonly #policy: Trust['revocation'];
  /** Which certificate's key has signed which list, as far as that was asked. */
  readonly #signers = new Map<RevocationList, Map<string, boolean>>();

  constructor(trust: Trust) {
    this.anchors = trust.anchors.map(parseCertificate).flatMap((read) => (read.ok ? [read.value] : []));
    this.#lists = trust.revocationLists.map(readRevocationList).flatMap((read) => (read.ok ? [read.value] : []));
    this.#policy = trust.revocation;
  }

  /** Whether `issuer` has revoked a certificate that it has issued; what a list that has become stale says still holds. */
  revocationFault(certificate: Certificate, issuer: ParsedCertificate): string | undefined {
    if (!this.#listsOf(certificate, issuer).some(({ serials }) => serials.has(certificate.serial))) return undefined;
    return `has been revoked by ${issuer.certificate.subject.text} (serial number ${certificate.serial})`;
  }

  /** Why a certificate that `issuer` has issued does not count, by all lists and the policy; undefined where it does. */
  fault(certificate: Certificate, issuer: ParsedCertificate, nowMs: number): string | undefined {
    const revoked = this.revocationFault(certificate, issuer);
    if (revoked !== undefined) return revoked;
    const lists = this.#listsOf(certificate, issuer);
    if (this.#policy === 'IfPresent') return undefined;
    const current = lists.some(
      ({ thisUpdateMs, nextUpdateMs }) =>
        thisUpdateMs <= nowMs && (nextUpdateMs === undefined || nowMs <= nextUpdateMs),
    );
    if (current) return undefined;
    const ended = lists.map(({ nextUpdateMs = 0 }) => nextUpdateMs).sort((a, b) => b - a)[0];
    const state = ended === undefined ? 'is missing' : `was to be renewed by ${timeText(ended)}`;
    return `cannot be shown not to be revoked: the revocation list of ${issuer.certificate.subject.text} ${state}`;
  }

  #listsOf(certificate: Certificate, issuer: ParsedCertificate): readonly RevocationList[] {
    return this.#lists.filter((list) => this.#speaksOf(list, certificate, issuer));
  }

  #speaksOf(list: RevocationList, certificate: Certificate, issuer: ParsedCertificate): boolean {
    if (!sameName(list.issuer, certificate.issuer)) return false;
    if (list.scope !== 'all' && (list.scope === 'authorities') !== certificate.authority) return false;
    const known = this.#signers.get(list)?.get(issuer.fingerprint);
    if (known !== undefined) return known;
    const signed = hasSigned(issuer, list);
    // Issuers are of paths that end at an anchor: there are few.
    const signers = this.#signers.get(list) ?? new Map<string, boolean>();
    if (signers.size < MAX_SIGNERS) signers.set(issuer.fingerprint, signed);
    this.#signers.set(list, signers);
    return signed;
  }
}

/** Whether an authority has signed a list, and may. */
export function hasSigned(issuer: ParsedCertificate, list: RevocationList): boolean {
  const { keyUsage } = issuer.certificate;
  if (keyUsage !== undefined && (keyUsage & KeyUsage.crlSign) === 0) return false;
  const scheme = decodeScheme(list.algorithm);
  if (scheme === undefined || !scheme.keys.some((kind) => kind === issuer.keyDescription.kind)) return false;
  return isSignedBy(issuer.publicKey, scheme, list.signed, list.signature);
}

const MAX_SIGNERS = 64;
