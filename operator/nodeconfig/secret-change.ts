import type { NodePeering } from '../api/ipsec-node-config.ts';
import { isIssued } from './certificates.ts';
import type { Entries } from './node-entries.ts';
import type { Observed, ObservedCertificate } from './observed.ts';
import type { KnownNode } from './roster.ts';

/** What there is of certificates, by the name of the Secret. */
export interface CertificatesThere {
  readonly certificates: ReadonlyMap<string, ObservedCertificate>;
  readonly secrets: ReadonlySet<string>;
}

/** What was observed of certificates. */
export function certificatesThere({ certificates, secrets }: Observed): CertificatesThere {
  return {
    certificates: new Map(certificates.map((certificate) => [certificate.spec.secretName, certificate])),
    secrets: new Set(secrets.map(({ metadata }) => metadata.name)),
  };
}

/**
 * A new entry, with the Secret of before while the new one is not issued: a node without a certificate is cut off, and an
 * issuer may be slow, refuse, or not be there at all.
 */
export function withUsableSecret(
  entry: NodePeering,
  written: NodePeering | undefined,
  there: CertificatesThere,
): NodePeering {
  const wanted = entry.authentication.certificate;
  const present = written?.authentication.certificate?.secretName;
  if (wanted === undefined || present === undefined || present === wanted.secretName) return entry;
  if (!isThere(present, there) || isUsable(wanted.secretName, present, there)) return entry;
  return { ...entry, authentication: { certificate: { ...wanted, secretName: present } } };
}

/** UIDs of nodes whose agents do not say that they use every certificate that they are told of, or may be told of others. */
export function nodesInChange(entries: Entries, roster: readonly KnownNode[]): ReadonlySet<string> {
  const uses = ({ status }: KnownNode, { name, authentication: { certificate } }: NodePeering): boolean => {
    const said = status?.peerings?.find((each) => each.name === name);
    return certificate === undefined || said?.certificate?.secretName === certificate.secretName;
  };
  const changing = roster.filter(
    (node) => node.unreadable !== undefined || !(entries.get(node.name) ?? []).every((entry) => uses(node, entry)),
  );
  return new Set(changing.map(({ uid }) => uid));
}

function isThere(secretName: string, { certificates, secrets }: CertificatesThere): boolean {
  return certificates.has(secretName) || secrets.has(secretName);
}

/** Whether cert-manager has issued it; where the Secret of before is seen, that of the new one would be seen, too. */
function isUsable(wanted: string, present: string, { certificates, secrets }: CertificatesThere): boolean {
  return isIssued(certificates.get(wanted)) && (secrets.has(wanted) || !secrets.has(present));
}
