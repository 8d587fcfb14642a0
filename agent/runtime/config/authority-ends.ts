import { issuanceFault, type ParsedCertificate, parseCertificate } from '../certificates/parsed-certificate.ts';
import type { CredentialSources } from './credential-sources.ts';

/** How long something that we depend on lasts, which other authorities that are trusted as well do not prolong. */
export interface AuthorityEnd {
  /**
   * `issuer`: of the trusted authorities that issued a certificate of ours, the last to end; `bundle`: of those that are
   * trusted together, the last to end.
   */
  readonly dependence: 'issuer' | 'bundle';
  /** The authority's. */
  readonly name: string;
  readonly notAfterMs: number;
}

/**
 * When authorities have to be replaced: an old one that ends beside its successor is as it should be, but not the one that our
 * certificate is of, nor the last of a bundle. Intermediate authorities come with certificates, and are replaced with those.
 */
export function authorityEnds({
  credentials,
  trusts,
}: Pick<CredentialSources, 'credentials' | 'trusts'>): AuthorityEnd[] {
  const bundles = [...trusts.values()].map(({ trust }) => parsed(trust.anchors));
  const anchors = bundles.flat();
  const issuers = [...credentials.values()].flatMap(({ credential }) => {
    const chain = parsed(credential.certificates);
    return endOf(
      'issuer',
      anchors.filter((anchor) => chain.some((each) => issuanceFault(anchor, each) === undefined)),
    );
  });
  return [...issuers, ...bundles.flatMap((bundle) => endOf('bundle', bundle))];
}

function parsed(certificates: readonly Uint8Array[]): readonly ParsedCertificate[] {
  return certificates.map(parseCertificate).flatMap((read) => (read.ok ? [read.value] : []));
}

function endOf(dependence: AuthorityEnd['dependence'], authorities: readonly ParsedCertificate[]): AuthorityEnd[] {
  const ends = authorities.map(({ certificate: { subject, notAfterMs } }) => ({ name: subject.text, notAfterMs }));
  const [last] = ends.toSorted((one, other) => other.notAfterMs - one.notAfterMs);
  return last === undefined ? [] : [{ dependence, ...last }];
}
