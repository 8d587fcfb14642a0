import type { Facts } from './facts.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import type { End } from './view.ts';

/** Whether a node has what it proves itself by. */
export function certificateFault(facts: Facts, end: End): Finding | undefined {
  return issuingFault(facts, end) ?? loadedFault(end) ?? endedFault(facts, end);
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
    const certificate = facts.certificates.value.find((each) => each.secretName === secretName);
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

function endedFault({ atMs }: Facts, { name, config }: End): Finding | undefined {
  for (const { name: peering, certificate } of config?.status?.peerings ?? []) {
    if (certificate === undefined || Date.parse(certificate.notAfter) > atMs) continue;
    return finding(
      'CertificateEnded',
      `the certificate that ${name} uses for IPsecPeering ${peering} ended at ${certificate.notAfter} (Secret ${certificate.secretName})`,
      'see why cert-manager does not renew it: kubectl describe certificate in the namespace of the nodes',
    );
  }
  return undefined;
}

function isLoaded(config: End['config']): boolean {
  return config?.status?.peerings?.some(({ certificate }) => certificate !== undefined) === true;
}
