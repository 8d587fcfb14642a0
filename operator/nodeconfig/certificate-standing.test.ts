import { describe, expect, it } from 'vitest';

import { certificateStanding } from './certificates.ts';
import type { ObservedCertificate } from './observed.ts';
import { atSecond } from './testing/builders.ts';

type Conditions = NonNullable<NonNullable<ObservedCertificate['status']>['conditions']>;

describe('how far a certificate is', () => {
  const standing = (conditions: Conditions, request?: string, refusal?: string) =>
    certificateStanding(
      {
        apiVersion: 'cert-manager.io/v1',
        kind: 'Certificate',
        metadata: { name: 'a' },
        spec: { secretName: 'a' },
        status: { conditions },
      },
      request,
      refusal,
      atSecond(0),
    );
  const ready = { type: 'Ready', status: 'True' };
  const failed = { type: 'Issuing', status: 'False', reason: 'Denied', message: 'no' };

  it('is told by what cert-manager says of its request, while that is open', () => {
    const issuing = [{ type: 'Issuing', status: 'True' }];
    expect(standing(issuing, 'Pending: Referenced "Issuer" not found')).toEqual({
      kind: 'issuing',
      text: 'Pending: Referenced "Issuer" not found',
    });
  });

  it('is good until its end though it cannot be renewed, which is told', () => {
    expect(standing([ready, failed])).toEqual({ kind: 'issued', renewal: { reason: 'Denied', text: 'no' } });
    expect(standing([ready])).toEqual({ kind: 'issued', renewal: undefined });
  });

  it('is refused where the API server does not take it', () => {
    const refusal = 'InternalError: failed calling webhook "webhook.cert-manager.io"';
    expect(certificateStanding(undefined, undefined, refusal, atSecond(0))).toEqual({
      kind: 'failed',
      reason: 'Refused',
      text: refusal,
    });
    expect(standing([failed], undefined, refusal)).toMatchObject({ kind: 'failed', reason: 'Denied' });
  });
});
