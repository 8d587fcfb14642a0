import type { Moment, Observed, ObservedCertificate } from './observed.ts';

/** Whether a certificate that is good until `notAfter` is good no more. */
export function hasEnded(notAfter: string, at: Moment): boolean {
  return at.milliseconds > Date.parse(notAfter);
}

/** Whether cert-manager has let the time for renewal pass; no, where it does not say when that is. */
export function isOverdue(certificate: ObservedCertificate | undefined, at: Moment): boolean {
  return certificate !== undefined && at.milliseconds >= overdueAt(certificate);
}

/** When it may come to be judged otherwise how certificates are although nothing changes, in milliseconds. */
export function certificateDeadlines({ certificates, nodeConfigs }: Observed): readonly number[] {
  const used = nodeConfigs.flatMap(({ status }) => status?.peerings ?? []);
  return [
    ...certificates.flatMap((each) => [overdueAt(each), Date.parse(each.status?.notAfter ?? '')]),
    ...used.map(({ certificate }) => Date.parse(certificate?.notAfter ?? '')),
  ].filter((time) => !Number.isNaN(time));
}

/** NaN where cert-manager does not say when it renews. */
function overdueAt({ status }: ObservedCertificate): number {
  const renewal = Date.parse(status?.renewalTime ?? '');
  const end = Date.parse(status?.notAfter ?? '');
  return renewal + Math.min(RENEWAL_SLACK_MS, (end - renewal) / 2);
}

/**
 * Certificates of a mesh are due together: with its 20 requests a second cert-manager takes more than half an hour for five
 * thousand. Where less than twice this is left until the end, half of what is left has to do.
 */
const RENEWAL_SLACK_MS = 3_600_000;
