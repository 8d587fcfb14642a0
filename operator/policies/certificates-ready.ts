import { type CertificateStanding, judged, type NodeStanding, type PeeringStanding, suitable } from './standing.ts';
import { counted, fails, holds, listed, unknown, type Verdict } from './verdict.ts';

/** Whether every node has a certificate. */
export function certificatesReady(standing: PeeringStanding): Verdict {
  const { credentials, nodes } = standing;
  if (credentials.kind === 'preSharedKey') return holds('NotNeeded', 'nodes prove themselves by a pre-shared key');
  if (nodes.length === 0) return unknown('NoNodes', 'no node takes part');
  if (credentials.certManager === 'Missing') {
    return fails(
      'CertManagerMissing',
      'the API server knows no certificates.cert-manager.io: install cert-manager with its CRDs; certificates in use stay',
    );
  }
  const members = suitable(judged(standing));
  if (members.length === 0) return unknown('Pending', 'all nodes joined less than a minute ago');
  const expired = members.flatMap(({ name, certificate }) =>
    certificate.kind === 'expired' ? [{ name, certificate }] : [],
  );
  const [ended] = expired;
  if (ended !== undefined) {
    const { name, certificate } = ended;
    const others = expired.length === 1 ? '' : ` (and ${counted(expired.length - 1, 'more node')})`;
    const said = certificate.said === undefined ? '' : `: ${certificate.said}`;
    return fails(
      'CertificateExpired',
      `the certificate of ${name}${others} ended at ${certificate.at}, and ` +
        (certificate.replaced
          ? `the agent does not use the one issued since: kubectl ikemesh why ${name} says why`
          : `cert-manager has not renewed it${said}; see that its controller runs, and look at ${credentials.issuer}`),
    );
  }
  const failed = members.flatMap(({ name, certificate }) =>
    certificate.kind === 'failed' ? [{ name, certificate }] : [],
  );
  const [first] = failed;
  if (first !== undefined) {
    const { name, certificate } = first;
    const others = failed.length === 1 ? '' : ` (and ${counted(failed.length - 1, 'more node')})`;
    return fails(
      'IssuingFailed',
      `cert-manager on the certificate of ${name}${others}: ${certificate.reason}: ${certificate.text}; ` +
        `look at ${credentials.issuer}; certificates in use stay`,
    );
  }
  const silent = namesOf(members, 'silent');
  if (silent.length > 0) {
    return fails(
      'CertManagerSilent',
      `cert-manager says nothing of the certificates of ${listed(silent)}: see that its controller runs; ` +
        'certificates in use stay',
    );
  }
  const issuing = namesOf(members, 'issuing');
  if (issuing.length > 0) {
    const text = members.flatMap(({ certificate }) =>
      certificate.kind === 'issuing' ? certificate.text || [] : [],
    )[0];
    const said =
      text === undefined
        ? ''
        : `; cert-manager on the first: ${text}; look at ${credentials.issuer} if that stays so; certificates in use stay`;
    return fails('Issuing', `${counted(issuing.length, 'certificate')} being issued: ${listed(issuing)}${said}`);
  }
  const [unrenewed] = members.flatMap(({ name, certificate }) =>
    certificate.kind === 'issued' && certificate.renewal !== undefined ? [{ name, ...certificate.renewal }] : [],
  );
  if (unrenewed !== undefined) return renewalFailing(unrenewed.name, unrenewed, credentials.issuer);
  const overdue = members.flatMap(({ name, certificate }) =>
    certificate.kind === 'issued' && certificate.overdue !== undefined ? [{ name, ...certificate.overdue }] : [],
  );
  const [late] = overdue;
  if (late !== undefined) {
    const others = overdue.length === 1 ? '' : ` (and ${counted(overdue.length - 1, 'more node')})`;
    return renewalOverdue(`${late.name}${others}`, late);
  }
  return holds('Issued', `${counted(members.length, 'node')} with a certificate`);
}

/** What is noteworthy of a certificate that is good: that there is no next one. */
export function renewalRemark(
  name: string,
  { renewal, overdue }: Extract<CertificateStanding, { readonly kind: 'issued' }>,
  issuer: string,
): Verdict | undefined {
  if (renewal !== undefined) return renewalFailing(name, renewal, issuer);
  return overdue === undefined ? undefined : renewalOverdue(name, overdue);
}

function renewalFailing(
  whose: string,
  { reason, text }: { readonly reason: string; readonly text: string },
  issuer: string,
): Verdict {
  return holds(
    'RenewalFailing',
    `cert-manager cannot renew the certificate of ${whose}: ${reason}: ${text}; the present one is good until its end; ` +
      `look at ${issuer}`,
  );
}

function renewalOverdue(whose: string, { since, until }: { readonly since: string; readonly until: string }): Verdict {
  return holds(
    'RenewalOverdue',
    `cert-manager has not begun to renew the certificate of ${whose}, due at ${since}: see that its ` +
      `controller runs; the present one is good until ${until}`,
  );
}

function namesOf(members: readonly NodeStanding[], kind: NodeStanding['certificate']['kind']): readonly string[] {
  return members.filter(({ certificate }) => certificate.kind === kind).map(({ name }) => name);
}
