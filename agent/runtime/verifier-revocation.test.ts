import { describe, expect, it } from 'vitest';

import type { VerificationJob } from '../ike/types.ts';
import { TEST_TIME, TestAuthority, type TestCertificate } from '../pki/testing/authority.ts';
import { context, element, integer, sequence } from '../pki/testing/der-writer.ts';
import { jobFor, trustIn } from './testing/verification.ts';
import { CertificateVerifier } from './verifier.ts';

const NODE = 'node-a.mesh.test';
const root = TestAuthority.root();

/** Why a job is refused at the time of the test; undefined where it is not. */
function refusal(job: VerificationJob): string | undefined {
  const outcome = new CertificateVerifier({ wallMs: () => TEST_TIME }).check(job);
  return outcome.ok ? undefined : outcome.error.reason;
}

describe('a revocation list', () => {
  const serial = 0xabcdefn;
  const shown: TestCertificate = root.node(NODE, { serial });
  const withLists = (lists: readonly Uint8Array[], revocation: 'IfPresent' | 'Required' = 'IfPresent', job = shown) =>
    refusal(jobFor(job, trustIn([root], { revocationLists: lists, revocation })));

  it('that names the certificate refuses it', () => {
    expect(withLists([root.revocationList([1n, serial])])).toBe(
      'its certificate has been revoked by CN=Root, O=Mesh (serial number abcdef)',
    );
  });

  it('that names others, or nobody, lets it pass', () => {
    for (const list of [root.revocationList([serial + 1n]), root.revocationList([])]) {
      for (const policy of ['IfPresent', 'Required'] as const) expect(withLists([list], policy)).toBeUndefined();
    }
  });

  it('that has become stale still revokes what it revoked', () => {
    const stale = { nextUpdateMs: TEST_TIME - 1_000 };
    expect(withLists([root.revocationList([serial], stale)])).toMatch(/has been revoked/);
    expect(withLists([root.revocationList([], stale)])).toBeUndefined();
  });

  it('is needed, current and of the issuer, where the policy says so', () => {
    const missing =
      'its certificate cannot be shown not to be revoked: the revocation list of CN=Root, O=Mesh is missing';
    expect(withLists([], 'Required')).toBe(missing);
    expect(withLists([TestAuthority.root('Other').revocationList([])], 'Required')).toBe(missing);
    expect(withLists([root.revocationList([], { nextUpdateMs: TEST_TIME - 1_000 })], 'Required')).toMatch(
      /was to be renewed by 2026-11-27 11:59:59Z$/,
    );
    expect(withLists([root.revocationList([], { thisUpdateMs: TEST_TIME + 1_000 })], 'Required')).toMatch(
      /was to be renewed/,
    );
    expect(withLists([root.revocationList([], { nextUpdateMs: undefined })], 'Required')).toBeUndefined();
  });

  it('of somebody else with the same name revokes nothing and proves nothing', () => {
    const impostor = TestAuthority.root('Root');
    expect(withLists([impostor.revocationList([serial])])).toBeUndefined();
    expect(withLists([impostor.revocationList([])], 'Required')).toMatch(/is missing$/);
  });

  it('by the same key under another name is that of somebody else', () => {
    const alias = TestAuthority.root('Alias', 'ecdsaP256', { key: root.key });
    expect(withLists([alias.revocationList([serial])])).toBeUndefined();
    expect(withLists([alias.revocationList([])], 'Required')).toMatch(/is missing$/);
  });

  it('with entries about certificates of others (indirect) is not used', () => {
    const entryExtensions = [{ oid: '2.5.29.29', critical: true, value: sequence() }];
    expect(withLists([root.revocationList([serial], { entryExtensions })])).toBeUndefined();
    const harmless = [{ oid: '2.5.29.21', value: element(0x0a, Uint8Array.of(1)) }];
    expect(withLists([root.revocationList([serial], { entryExtensions: harmless })])).toMatch(/has been revoked/);
  });

  it('by an authority that may not sign lists counts for nothing', () => {
    const silent = TestAuthority.root('Silent', 'ecdsaP256', { keyUsage: [5] });
    const trusting = trustIn([silent], { revocationLists: [silent.revocationList([serial])] });
    expect(refusal(jobFor(silent.node(NODE, { serial }), trusting))).toBeUndefined();
  });

  it('with a bit of its signature or its content changed counts for nothing', () => {
    const list = root.revocationList([serial]);
    for (const place of [40, list.length - 5]) {
      const changed = list.slice();
      changed[place] = (changed[place] ?? 0) ^ 1;
      expect(withLists([changed])).toBeUndefined();
    }
  });

  it('of an intermediate, and of the root for the intermediate, are both heeded', () => {
    const middle = root.intermediate('Middle', { serial: 77n });
    const job = (lists: readonly Uint8Array[], revocation: 'IfPresent' | 'Required') =>
      refusal(
        jobFor(middle.node(NODE, { serial }), trustIn([root], { revocationLists: lists, revocation }), {
          intermediates: [middle.der],
        }),
      );
    const [good, below] = [root.revocationList([]), middle.revocationList([])];
    expect(job([good, below], 'Required')).toBeUndefined();
    expect(job([good], 'Required')).toMatch(/^its certificate cannot be shown.*CN=Middle/);
    expect(job([below], 'Required')).toMatch(/^the certificate of CN=Middle, O=Mesh above it cannot be shown.*CN=Root/);
    expect(job([root.revocationList([77n]), below], 'IfPresent')).toMatch(
      /^the certificate of CN=Middle.*has been revoked by CN=Root/,
    );
  });

  it.each([
    ['some users', context(1), true],
    ['users only', element(0x81, Uint8Array.of(0xff)), true],
    ['authorities only', element(0x82, Uint8Array.of(0xff)), false],
    ['some reasons only', element(0x83, Uint8Array.of(1, 2)), false],
    ['others’ certificates too (indirect)', element(0x84, Uint8Array.of(0xff)), false],
  ])('for %s is used as far as it goes', (_, field, used) => {
    const extensions = [{ oid: '2.5.29.28', critical: true, value: sequence(field) }];
    const found = withLists([root.revocationList([serial], { extensions })]);
    if (used) expect(found).toMatch(/has been revoked/);
    else expect(found).toBeUndefined();
  });

  it('with a critical extension that is unknown, such as that of a delta list, is not used', () => {
    const extensions = [{ oid: '2.5.29.27', critical: true, value: integer(1) }];
    expect(withLists([root.revocationList([], { extensions })], 'Required')).toMatch(/is missing$/);
  });
});

describe('a peer that was believed', () => {
  const serial = 0x77n;
  const trusting = (lists: readonly Uint8Array[]) => trustIn([root], { revocationLists: lists });
  const believing = (): CertificateVerifier => {
    const verifier = new CertificateVerifier({ wallMs: () => TEST_TIME });
    expect(verifier.check(jobFor(root.node(NODE, { serial }), trusting([]))).ok).toBe(true);
    return verifier;
  };

  it('is found, once, when a new list revokes its certificate', () => {
    const verifier = believing();
    expect(verifier.revocationFault('node-a', trusting([]))).toBeUndefined();
    expect(verifier.revocationFault('node-a', trusting([root.revocationList([1n])]))).toBeUndefined();
    expect(verifier.revocationFault('node-b', trusting([root.revocationList([serial])]))).toBeUndefined();
    const revoked = trusting([root.revocationList([serial])]);
    expect(verifier.revocationFault('node-a', revoked)).toBe(
      'the certificate of  has been revoked by CN=Root, O=Mesh (serial number 77)',
    );
    expect(verifier.revocationFault('node-a', revoked)).toBeUndefined();
  });

  it('is found under the name that its connection has got since', () => {
    const verifier = believing();
    verifier.rename('node-a', 'berlin');
    verifier.retain(new Set(['berlin']));
    expect(verifier.shownCertificate('berlin')?.serial).toBe('77');
    expect(verifier.revocationFault('berlin', trusting([root.revocationList([serial])]))).toMatch(/has been revoked/);
  });

  it('is shown by what people tell certificates apart by, until its connection goes', () => {
    const verifier = believing();
    expect(verifier.shownCertificate('node-a')).toEqual({
      subject: '',
      issuer: 'CN=Root, O=Mesh',
      serial: '77',
      notAfterMs: expect.any(Number),
    });
    expect(verifier.shownCertificate('node-b')).toBeUndefined();
    expect(verifier.check(jobFor(root.node('other'), trusting([]))).ok).toBe(false);
    expect(verifier.shownCertificate('node-a')?.serial).toBe('77');
    verifier.retain(new Set());
    expect(verifier.shownCertificate('node-a')).toBeUndefined();
  });

  it('is found when an authority between it and the root is revoked', () => {
    const middle = root.intermediate('Middle', { serial: 0x99n });
    const verifier = new CertificateVerifier({ wallMs: () => TEST_TIME });
    const job = jobFor(middle.node(NODE), trusting([]), { intermediates: [middle.der] });
    expect(verifier.check(job).ok).toBe(true);
    expect(verifier.revocationFault('node-a', trusting([root.revocationList([0x99n])]))).toMatch(
      /^the certificate of CN=Middle, O=Mesh has been revoked/,
    );
  });

  it('is not forgotten for a wrong proof in its name, but with its connection', () => {
    const verifier = believing();
    expect(verifier.check(jobFor(root.node('other'), trusting([]))).ok).toBe(false);
    const revoked = trusting([root.revocationList([serial])]);
    verifier.retain(new Set(['node-a']));
    expect(believing().revocationFault('node-a', revoked)).toBeDefined();
    verifier.retain(new Set(['node-b']));
    expect(verifier.revocationFault('node-a', revoked)).toBeUndefined();
  });
});
