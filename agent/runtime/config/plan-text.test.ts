import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { ownIndex, ownReqid } from '../../dataplane/ownership.ts';
import { ip, policy, selector, template } from '../../dataplane/testing/builders.ts';
import type { InstalledPolicy, InstalledSa, KernelSnapshot } from '../../dataplane/types.ts';
import { pretendedCredential, showing, TRUSTING } from '../../ike/testing/certificates.ts';
import { bypassPolicies } from '../bypass.ts';
import { testConfig } from '../testing/agents.ts';
import type { PlannedConnection } from './agent-config.ts';
import { assignReqids } from './assign-reqids.ts';
import { planText } from './plan-text.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

function plan(
  kernel: KernelSnapshot | string,
  more: Partial<PlannedConnection> = {},
  watched: readonly WatchedCertificate[] = [],
): readonly string[] {
  const { connections } = testConfig(opensslProvider, 'node-a', '10.78.0.1', { 'node-b': '10.78.0.2' }, more);
  return planText({
    nodeName: 'node-a',
    addresses: [ip('10.78.0.1')],
    connections: assignReqids(connections, [], typeof kernel === 'string' ? { sas: [], policies: [] } : kernel),
    bypasses: bypassPolicies({ ike: 500, natTraversal: 4500 }, [ip('10.78.0.1')]).slice(0, 1),
    watched,
    kernel,
  }).split('\n');
}

function installed(source: string, destination: string, more: Partial<InstalledPolicy> = {}): InstalledPolicy {
  const reqid = ownReqid(9);
  return { ...policy('out', selector(source, destination), { template: template({ reqid }) }), ours: true, ...more };
}

describe('what --check prints', () => {
  it('tells who begins, what is proposed, what is encrypted and what happens without an SA', () => {
    const lines = plan('this user may not ask');
    expect(lines).toEqual(
      expect.arrayContaining([
        'node node-a listens at 10.78.0.1, UDP 500 and 4500',
        'peer node-b: 10.78.0.1 to 10.78.0.2',
        '  we are node-a, the peer is node-b; both prove it by a pre-shared key',
        '  we begin at once',
        expect.stringMatching(/^ {2}IKE aes256gcm16-.*-x25519-/),
        expect.stringMatching(/^ {2}child default: transport mode, reqid \d+; without an SA its traffic is blocked$/),
        '    local  10.78.0.1',
        '    remote 10.78.0.2',
        '2 policies and 1 bypasses for IKE itself; not compared: this user may not ask',
      ]),
    );
    expect(lines.join()).not.toContain('sesame');
  });

  it('tells that TCP connections are to agree on smaller segments', () => {
    expect(plan('no', { mssClamp: 1_360 })).toContain('  TCP connections agree on segments of 1360 bytes at most');
    expect(plan('no', { mssClamp: 'auto' })).toContain('  TCP connections agree on segments that fit');
  });

  it('tells who proves what by which certificate, and when each ends', () => {
    const own = { kind: 'own', file: 'tls.crt', name: 'node-a', fingerprint: '', notBeforeMs: 0 } as const;
    const lines = plan(
      'no',
      { localAuthentication: showing(pretendedCredential('node-a')), remoteAuthentication: TRUSTING },
      [
        { ...own, notAfterMs: Date.UTC(2026, 11, 1) },
        { ...own, kind: 'authority', name: 'CN=Root', file: 'ca.crt', notAfterMs: Date.UTC(2036, 11, 1) },
        { ...own, kind: 'revocationList', name: 'CN=Root', file: 'ca.crl', notAfterMs: Date.UTC(2026, 10, 28) },
      ],
    );
    expect(lines).toEqual(
      expect.arrayContaining([
        '  we are node-a, the peer is node-b; we prove it by our certificate, the peer by a certificate of 0 authorities',
        'our certificate for node-a, valid until 2026-12-01 00:00:00Z (tls.crt)',
        'authority CN=Root, valid until 2036-12-01 00:00:00Z (ca.crt)',
        'revocation list of CN=Root, to be renewed by 2026-11-28 00:00:00Z (ca.crl)',
      ]),
    );
  });

  it('compares with the kernel: what is there, what is new, what goes, and what is in the way', () => {
    const foreignIn = { ...policy('in', selector('10.78.0.2', '10.78.0.1'), { index: 8 }), ours: false };
    const stale = installed('10.9.0.1', '10.9.0.2', { index: ownIndex(3, 'out') });
    const staleSa = { id: { destination: ip('10.9.0.2'), spi: 0xabc }, reqid: ownReqid(10), ours: true } as InstalledSa;
    const [ofOldAddress] = bypassPolicies({ ike: 500, natTraversal: 4500 }, [ip('10.9.0.1')]).map((one) => ({
      ...one,
      ours: true,
    }));
    const lines = plan({
      sas: [staleSa],
      policies: [installed('10.78.0.1', '10.78.0.2'), foreignIn, stale, ...(ofOldAddress ? [ofOldAddress] : [])],
    });
    expect(lines.slice(lines.findIndex((line) => line.startsWith('the kernel has')))).toEqual([
      'the kernel has 1 SA and 3 policies of ours',
      '+ 1 bypasses for IKE and neighbour discovery, 0 of them there',
      `= out policy 10.78.0.1/32 to 10.78.0.2/32: ESP in transport mode, required, reqid ${ownReqid(9)}`,
      '! in policy 10.78.0.2/32 to 10.78.0.1/32 belongs to another program and stays as it is',
      '- out policy 10.9.0.1/32 to 10.9.0.2/32',
      '- in policy 0.0.0.0/0 to 10.9.0.1/32 protocol 17 ports any to 500',
      '- SA to 10.9.0.2, SPI abc',
      '',
    ]);
  });
});
