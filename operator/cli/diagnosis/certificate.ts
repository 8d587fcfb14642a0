import { hasEnded } from '../../nodeconfig/certificate-times.ts';
import { certificateStanding } from '../../nodeconfig/certificates.ts';
import { renewalRemark } from '../../policies/certificates-ready.ts';
import type { CertificateFact, Facts } from './facts.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import { valueOr } from './known.ts';
import { momentOf } from './moment.ts';
import { observedCertificate } from './observed-of.ts';
import type { End } from './view.ts';

/** Whether a node has what it proves itself by. */
export function certificateFault(facts: Facts, end: End): Finding | undefined {
  return issuingFault(facts, end) ?? loadedFault(end) ?? endedFault(facts, end);
}

/** That cert-manager does not come to renew what a node has, as the operator says it. */
export function renewalText(facts: Facts, { name, config }: End): string | undefined {
  for (const { authentication } of config?.spec.peerings ?? []) {
    const certificate = certificateIn(facts, authentication.certificate?.secretName);
    if (certificate === undefined) continue;
    const request = valueOr(facts.requests, undefined)?.get(certificate.name);
    const standing = certificateStanding(observedCertificate(certificate), request, undefined, momentOf(facts));
    const remark = standing.kind === 'issued' ? renewalRemark(name, standing, certificate.issuer) : undefined;
    if (remark !== undefined) return `${remark.reason}: ${remark.message}`;
  }
  return undefined;
}

function issuingFault(facts: Facts, { name, config }: End): Finding | undefined {
  const wanted = config?.spec.peerings.filter(({ authentication }) => authentication.certificate !== undefined) ?? [];
  if (wanted.length === 0) return undefined;
  if (!facts.certificates.known) {
    if (facts.certificates.lack.kind !== 'absent' || isLoaded(config)) return undefined;
    return finding(
      'CertManagerMissing',
      `${name} has no certificate, and the API server knows no Certificates of cert-manager.io`,
      'install cert-manager with its CustomResourceDefinitions',
    );
  }
  for (const { authentication } of wanted) {
    const secretName = authentication.certificate?.secretName ?? '';
    const certificate = certificateIn(facts, secretName);
    if (certificate === undefined) {
      if (isLoaded(config)) continue;
      return finding(
        'CertificateMissing',
        `there is no Certificate for ${name} (Secret ${secretName})`,
        'see the log of the operator, which asks cert-manager for it: the API server may refuse it',
      );
    }
    if (certificate.ready === 'True') continue;
    const request = facts.requests.known ? facts.requests.value.get(certificate.name) : undefined;
    const said = request ?? certificate.text;
    const stays = isLoaded(config) ? '; the one in use stays until its end' : '';
    return finding(
      /not found|does not exist/i.test(said) ? 'IssuerMissing' : 'CertificateNotIssued',
      `cert-manager has not issued the certificate of ${name} (Certificate ${certificate.name}): ${said}${stays}`,
      `see to ${certificate.issuer}: kubectl describe certificate ${certificate.name} in the namespace of the nodes`,
    );
  }
  return undefined;
}

/** Whether the agent has what was issued. */
function loadedFault({ name, config }: End): Finding | undefined {
  for (const { name: peering, fault } of config?.status?.peerings ?? []) {
    if (fault?.reason !== 'CredentialsMissing' && fault?.reason !== 'CredentialsHeldBack') continue;
    const text = `the agent of ${name} cannot use the keys for IPsecPeering ${peering}: ${fault.message}`;
    return finding(fault.reason, text, remedyIn(fault.message, 'correct the Secret'));
  }
  return undefined;
}

function endedFault(facts: Facts, { name, config, pod }: End): Finding | undefined {
  const at = momentOf(facts);
  for (const { name: peering, certificate } of config?.status?.peerings ?? []) {
    if (certificate === undefined || !hasEnded(certificate.notAfter, at)) continue;
    const text = `the certificate that ${name} uses for IPsecPeering ${peering} ended at ${certificate.notAfter} (Secret ${certificate.secretName})`;
    const { ready, notAfter } = certificateIn(facts, certificate.secretName) ?? {};
    if (ready === 'True' && notAfter !== undefined && !hasEnded(notAfter, at)) {
      const log = pod === undefined ? '' : `: kubectl --namespace ${pod.namespace} logs ${pod.name} --container agent`;
      return finding(
        'CertificateNotUsed',
        `${text}; cert-manager has issued another until ${notAfter}, which its agent does not use`,
        `see whether the agent reaches the API server, and its log${log}`,
      );
    }
    return finding(
      'CertificateEnded',
      text,
      'see why cert-manager does not renew it: kubectl describe certificate in the namespace of the nodes',
    );
  }
  return undefined;
}

function certificateIn(facts: Facts, secretName: string | undefined): CertificateFact | undefined {
  return valueOr(facts.certificates, []).find((each) => each.secretName === secretName);
}

function isLoaded(config: End['config']): boolean {
  return config?.status?.peerings?.some(({ certificate }) => certificate !== undefined) === true;
}
