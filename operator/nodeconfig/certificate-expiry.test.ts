import { describe, expect, it } from 'vitest';

import type { ObservedCertificate } from './observed.ts';
import { plan } from './plan.ts';
import { atSecond, clusterOf, meshOf, nodesOf, settings } from './testing/builders.ts';

const HOUR = 3_600;
/** As cert-manager renews certificates of a day. */
const [RENEWAL, END] = [16 * HOUR, 24 * HOUR];

type Conditions = NonNullable<NonNullable<ObservedCertificate['status']>['conditions']>;

/** What is said at a time of a mesh whose certificates were issued for a day, by cert-manager as of `last`. */
function said(second: number, last: Partial<ObservedCertificate['status']> = {}, usedUntil = END) {
  const cluster = clusterOf({ peerings: [meshOf('cluster', { 'spec.enforcement': 'Required' })], nodes: nodesOf(2) });
  cluster.settle(atSecond(0));
  const observed = cluster.observed();
  const times = { notAfter: atSecond(END).timestamp, renewalTime: atSecond(RENEWAL).timestamp };
  const certificates = observed.certificates.map((each) => ({
    ...each,
    status: { ...each.status, ...times, ...last },
  }));
  const nodeConfigs = observed.nodeConfigs.map((config) => {
    const peerings = config.status?.peerings?.map((each) => ({
      ...each,
      certificate: each.certificate && { ...each.certificate, notAfter: atSecond(usedUntil).timestamp },
    }));
    return { ...config, status: { ...config.status, peerings } };
  });
  const { statuses } = plan({ ...observed, certificates, nodeConfigs }, settings, atSecond(second));
  const conditions = statuses.get('cluster')?.conditions ?? [];
  const text = (type: string): string => {
    const { status, reason, message } = conditions.find((each) => each.type === type) ?? {};
    return `${status} ${reason}: ${message}`;
  };
  return { certificates: text('CertificatesReady'), ready: text('Ready'), nodes: statuses.get('cluster')?.nodes };
}

const ready = { type: 'Ready', status: 'True' };

describe('a mesh whose certificates cert-manager no longer renews, though it once said that they are ready', () => {
  it('is not Ready once they have ended', () => {
    expect(said(END).certificates).toMatch(/^True/);
    const { certificates, ready: summary, nodes } = said(END + 1);
    expect(certificates).toBe(
      `False CertificateExpired: the certificate of node-1 (and 1 more node) ended at ${atSecond(END).timestamp}, and ` +
        'cert-manager has not renewed it; see that its controller runs, and look at Issuer mesh-ca',
    );
    expect(summary).toMatch(/^False CertificateExpired/);
    expect(nodes).toEqual({ selected: 2, ready: 0 });
  });

  it('says so an hour after their renewal was due, while they are good', () => {
    expect(said(RENEWAL + HOUR - 1).certificates).toBe('True Issued: 2 nodes with a certificate');
    expect(said(RENEWAL + HOUR).certificates).toBe(
      'True RenewalOverdue: cert-manager has not begun to renew the certificate of node-1 (and 1 more node), due at ' +
        `${atSecond(RENEWAL).timestamp}: see that its controller runs; the present one is good until ${atSecond(END).timestamp}`,
    );
  });

  it('says so half-way to their end where less than two hours are left', () => {
    const short = { renewalTime: atSecond(END - HOUR).timestamp };
    expect(said(END - HOUR / 2 - 1, short).certificates).toMatch(/^True Issued/);
    expect(said(END - HOUR / 2, short).certificates).toMatch(/^True RenewalOverdue/);
  });

  it('has the reason of cert-manager where it gave one', () => {
    const failed: Conditions = [ready, { type: 'Issuing', status: 'False', reason: 'Denied', message: 'no' }];
    expect(said(RENEWAL + HOUR, { conditions: failed }).certificates).toMatch(/^True RenewalFailing: .*Denied: no/);
    expect(said(END + 1, { conditions: failed }).certificates).toMatch(/^False CertificateExpired: .*: Denied: no;/);
  });
});

describe('a renewal that goes as it should', () => {
  it.each<[string, number, Partial<ObservedCertificate['status']>, number]>([
    ['before it is due', RENEWAL - 1, {}, END],
    ['while cert-manager has not got to it', RENEWAL + 60, {}, END],
    ['while it is under way', RENEWAL + 2 * HOUR, { conditions: [ready, { type: 'Issuing', status: 'True' }] }, END],
    [
      'before the agent has the new one',
      RENEWAL + 120,
      { notAfter: atSecond(RENEWAL + END).timestamp, renewalTime: atSecond(2 * RENEWAL).timestamp },
      END,
    ],
    [
      'after the end of the one before',
      END + 1,
      { notAfter: atSecond(RENEWAL + END).timestamp, renewalTime: atSecond(2 * RENEWAL).timestamp },
      RENEWAL + END,
    ],
  ])('changes nothing in the conditions: %s', (_, second, last, usedUntil) => {
    const before = said(1);
    expect(before.certificates).toBe('True Issued: 2 nodes with a certificate');
    expect(said(second, last, usedUntil)).toEqual(before);
  });
});

it('a node whose agent uses a certificate that has ended is told, though there is a new one', () => {
  const renewed = { notAfter: atSecond(3 * END).timestamp, renewalTime: atSecond(2 * END).timestamp };
  expect(said(END + 1, renewed).certificates).toMatch(
    /^False CertificateExpired: .*node-1 .*the agent does not use the one issued since: kubectl ikemesh why node-1/,
  );
});
