import type { Prospect } from './standing.ts';
import { counted, fails, holds, listed, type Verdict } from './verdict.ts';

/** Whether a peering can be carried out as it is written. One that is not changes nothing on any node. */
export function accepted(prospect: Prospect): Verdict {
  const { selected, notLinux, credentials, overlaps } = prospect;
  if (selected === 0) {
    const others = notLinux === 0 ? '' : ` (${counted(notLinux, 'node')} it matches do not run Linux)`;
    return fails('NoNodes', `nodes.selector matches no Linux node${others}: correct it, or label nodes`);
  }
  const whole = overlaps.find((overlap) => overlap.whole);
  if (whole !== undefined) {
    return fails(
      'Overlapped',
      `peering ${whole.peering} is about all of the same traffic and wins: raise spec.priority here, narrow ` +
        'nodes.selector, or delete one of them; nodes keep what they had of this one',
    );
  }
  if (credentials.kind === 'preSharedKey' && !credentials.usable) {
    // One sentence for every case: whoever may create peerings learns nothing of Secrets that they may not read.
    return fails(
      'PreSharedKeyUnusable',
      `Secret ${credentials.secret} cannot be used: it must be in the namespace of the nodes, of type ` +
        'ikemesh.io/pre-shared-key, and have the key that secretRef names; nodes keep what they had of this peering',
    );
  }
  return withRemarks(prospect);
}

/** Accepted; the reason and the message tell what is noteworthy, the gravest first. */
function withRemarks({ overlaps, credentials, otherCertificates }: Prospect): Verdict {
  const remarks: { readonly reason: string; readonly text: string }[] = [];
  if (overlaps.length > 0) {
    const winners = listed(overlaps.map(({ peering }) => peering));
    const text = `part of the traffic is that of ${winners}, which wins by spec.priority or name`;
    remarks.push({ reason: 'PartlyOverlapped', text });
  }
  if (credentials.kind === 'certificate' && !credentials.restricted) {
    const text =
      `everybody who may create Certificates can have ${credentials.issuer} sign the name of a node: use an Issuer in the ` +
      'namespace of the nodes, or restrict by policy who may ask and set issuer.restricted';
    remarks.push({ reason: 'UnrestrictedIssuer', text });
  }
  if (otherCertificates.length > 0) {
    const text = `${listed(otherCertificates)} wants other certificates of the same issuer and wins`;
    remarks.push({ reason: 'DifferentCertificates', text });
  }
  const [first] = remarks;
  if (first === undefined) return holds('Accepted', 'can be carried out as it is written');
  return holds(first.reason, remarks.map(({ text }) => text).join('; '));
}
