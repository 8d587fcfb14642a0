import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { CertificateStanding } from '../policies/standing.ts';
import { hasEnded, isOverdue } from './certificate-times.ts';
import { nodeFqdn } from './identity.ts';
import { certificateName, NODE_UID_LABEL } from './names.ts';
import type { ClusterSettings, Moment, ObservedCertificate, WrittenObject } from './observed.ts';
import { ownedByNodeConfig } from './owner.ts';
import type { KnownNode } from './roster.ts';

/** How a peering proves its nodes by certificate. */
export type CertificateFields = NonNullable<IpsecPeering['spec']['authentication']['certificate']>;

/** A Certificate of cert-manager as the operator writes it. */
export interface WantedCertificate extends WrittenObject {
  readonly spec: Readonly<Record<string, unknown>> & { readonly secretName: string };
}

/** The certificate of a node from one issuer; undefined until its IPsecNodeConfig is there to own it. */
export function certificateOf(
  node: KnownNode,
  fields: CertificateFields,
  { trustDomain, namespace }: ClusterSettings,
): WantedCertificate | undefined {
  const owner = ownedByNodeConfig(node);
  if (owner === undefined) return undefined;
  const name = certificateName(node, fields.issuerRef);
  const labels = { [NODE_UID_LABEL]: node.uid };
  const { algorithm, size = DEFAULT_SIZES[algorithm] } = fields.privateKey;
  return {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name, namespace, labels, ownerReferences: [owner] },
    spec: {
      secretName: name,
      // By these the operator finds the Secret again when its Certificate is gone.
      secretTemplate: { labels },
      issuerRef: fields.issuerRef,
      // No common name: it would be limited to 64 characters, and nothing looks at it.
      dnsNames: [nodeFqdn(node.name, trustDomain)],
      usages: fields.usages,
      duration: fields.duration,
      ...(fields.renewBefore === undefined ? {} : { renewBefore: fields.renewBefore }),
      privateKey: {
        algorithm,
        ...(size === undefined ? {} : { size }),
        encoding: 'PKCS8',
        rotationPolicy: 'Always',
      },
      revisionHistoryLimit: 1,
    },
  };
}

/** Whether two peerings with the same issuer want the same of it. */
export function sameCertificate(one: CertificateFields, other: CertificateFields): boolean {
  const essence = ({ duration, renewBefore, privateKey, usages }: CertificateFields): string =>
    JSON.stringify([duration, renewBefore, privateKey.algorithm, privateKey.size, usages]);
  return essence(one) === essence(other);
}

/** Whether cert-manager has issued a certificate as it is asked for now. */
export function isIssued(observed: ObservedCertificate | undefined): boolean {
  const ready = observed?.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return false;
  const { generation } = observed?.metadata ?? {};
  const { observedGeneration = generation } = ready;
  return generation === undefined || observedGeneration === generation;
}

/**
 * How far cert-manager is with a certificate, in its own words; `refusal` is why the API server did not take it. What it said
 * last stays when its controller ends, so that its times count, too.
 */
export function certificateStanding(
  observed: ObservedCertificate | undefined,
  request: string | undefined,
  refusal: string | undefined,
  at: Moment,
): CertificateStanding {
  const conditions = observed?.status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const issuing = conditions.find(({ type }) => type === 'Issuing');
  // cert-manager leaves Issuing=False behind with the reason of the attempt that failed.
  const failed = issuing?.status === 'False' && issuing.reason !== 'Issued' ? failureOf(issuing) : undefined;
  const isIssuing = issuing?.status === 'True';
  const { notAfter, renewalTime = '' } = observed?.status ?? {};
  if (notAfter !== undefined && hasEnded(notAfter, at)) {
    const working = isIssuing ? (request ?? issuing.message) : undefined;
    const said = failed === undefined ? working : `${failed.reason}: ${failed.text}`;
    return { kind: 'expired', at: notAfter, said, replaced: false };
  }
  if (ready?.status === 'True') {
    const isLate = failed === undefined && !isIssuing && isOverdue(observed, at);
    const overdue = isLate && notAfter !== undefined ? { since: renewalTime, until: notAfter } : undefined;
    return { kind: 'issued', renewal: failed, overdue };
  }
  if (failed !== undefined) return { kind: 'failed', ...failed };
  if (refusal !== undefined) return { kind: 'failed', reason: 'Refused', text: refusal };
  if (ready === undefined && issuing === undefined) return { kind: 'silent' };
  return { kind: 'issuing', text: request ?? ready?.message ?? issuing?.message ?? '' };
}

function failureOf({ reason = 'Failed', message = 'it says no more' }: { reason?: string; message?: string }) {
  return { reason, text: message };
}

/** What is asked for where a peering names no size. */
const DEFAULT_SIZES: Readonly<Record<string, number>> = { ECDSA: 256, RSA: 3_072 };
