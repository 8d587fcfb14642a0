import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import type { VerificationJob } from '../ike/types.ts';
import { SCHEMES } from '../pki/signature-scheme.ts';
import { TEST_TIME, TestAuthority, type TestCertificateOptions, testKey } from '../pki/testing/authority.ts';
import { sequence } from '../pki/testing/der-writer.ts';
import { jobFor, trustIn } from './testing/verification.ts';
import { CertificateVerifier } from './verifier.ts';

const NODE = 'node-a.mesh.test';
const root = TestAuthority.root();
const trust = trustIn([root]);
const node = root.node(NODE);

/** Why a job is refused at the time of the test; undefined where it is not. */
function refusal(job: VerificationJob): string | undefined {
  const outcome = new CertificateVerifier({ wallMs: () => TEST_TIME }).check(job);
  return outcome.ok ? undefined : outcome.error.reason;
}

describe('a chain', () => {
  const middle = root.intermediate('Middle');
  const shown = middle.node(NODE);
  const through = (authority: TestAuthority, options: TestCertificateOptions = {}) =>
    refusal(jobFor(authority.node(NODE, options), trust, { intermediates: [authority.der] }));

  it('through intermediates that the peer sent, in any order, with others among them, is followed', () => {
    const low = middle.intermediate('Low');
    const stranger = TestAuthority.root('Stranger');
    const job = jobFor(low.node(NODE), trust, {
      intermediates: [stranger.der, middle.der, Uint8Array.of(1), low.der, root.der],
    });
    expect(refusal(job)).toBeUndefined();
  });

  it('may end at a trusted intermediate', () => {
    expect(refusal(jobFor(shown, trustIn([middle])))).toBeUndefined();
  });

  it('that lacks an intermediate is refused, with the names of both ends', () => {
    expect(refusal(jobFor(shown, trust))).toBe(
      'its certificate leads to no trusted authority: CN=Middle, O=Mesh has issued it, it sent no intermediate certificate; ' +
        'trusted are CN=Root, O=Mesh',
    );
  });

  it('of another authority is refused, of one with the same name too', () => {
    const stranger = TestAuthority.root('Stranger');
    expect(refusal(jobFor(stranger.node(NODE), trust, { intermediates: [stranger.der] }))).toMatch(
      /^its certificate leads to no trusted authority: CN=Stranger/,
    );
    const impostor = TestAuthority.root('Root');
    expect(refusal(jobFor(impostor.node(NODE), trust))).toBe(
      'its certificate is not signed by CN=Root, O=Mesh, whom it names as its issuer',
    );
  });

  it('is followed to whichever of several anchors of one name has signed: the old and the new one of a rolled CA', () => {
    const renewed = TestAuthority.root('Root');
    for (const anchors of [
      [root, renewed],
      [renewed, root],
    ]) {
      expect(refusal(jobFor(root.node(NODE), trustIn(anchors)))).toBeUndefined();
      expect(refusal(jobFor(renewed.node(NODE), trustIn(anchors)))).toBeUndefined();
    }
    expect(refusal(jobFor(root.node(NODE), trustIn([renewed])))).toMatch(/^its certificate is not signed by/);
  });

  it('is followed by a cross-certificate where the direct way ends at nobody who is trusted', () => {
    const young = TestAuthority.root('Young');
    const cross = root.issue({ authority: true, keyUsage: [5], subject: young.subject, key: young.key });
    const job = jobFor(young.node(NODE), trust, { intermediates: [young.der, cross.der] });
    expect(refusal(job)).toBeUndefined();
  });

  it.each<readonly [string, TestCertificateOptions, RegExp]>([
    ['an end entity', { authority: false }, /^the certificate of CN=Low, O=Mesh above it is not that of an authority/],
    [
      'somebody without basic constraints',
      {},
      /^the certificate of CN=Low, O=Mesh above it is not that of an authority/,
    ],
    [
      'an authority that may not sign certificates',
      { authority: true, keyUsage: [0, 6] },
      /^the certificate of CN=Low, O=Mesh above it may not sign/,
    ],
    [
      'an authority that has expired',
      { authority: true, notAfterMs: TEST_TIME - 1 },
      /^the certificate of CN=Low, O=Mesh above it has expired/,
    ],
    [
      'an authority with a weak key',
      { authority: true, key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey },
      /^the certificate of CN=Low, O=Mesh above it has an RSA key of 1024 bits/,
    ],
    [
      'an authority with unknown demands',
      { authority: true, extensions: [{ oid: '2.5.29.36', critical: true, value: sequence() }] },
      /that are not: 2\.5\.29\.36/,
    ],
  ])('through %s is refused', (_, options, reason) => {
    const subject = { O: 'Mesh', CN: 'Low' };
    const key = options.key ?? testKey('ecdsaP256');
    const low = new TestAuthority(subject, key, root.issue({ ...options, subject, key }).der);
    expect(through(low)).toMatch(reason);
  });

  it('through an expired anchor is refused', () => {
    const old = TestAuthority.root('Old', 'ecdsaP256', { notAfterMs: TEST_TIME - 1 });
    expect(refusal(jobFor(old.node(NODE), trustIn([old])))).toMatch(
      /^the certificate of CN=Old, O=Mesh above it has expired/,
    );
  });

  it('longer than an authority allows is refused; self-issued certificates do not count (RFC 5280 §4.2.1.9)', () => {
    const shallow = root.intermediate('Shallow', { pathLength: 0 });
    expect(through(shallow)).toBeUndefined();
    const below = shallow.intermediate('Below');
    expect(refusal(jobFor(below.node(NODE), trust, { intermediates: [below.der, shallow.der] }))).toBe(
      'its certificate is not allowed: CN=Shallow, O=Mesh allows 0 authorities below it, here are 1',
    );
    const renewed = shallow.intermediate('Shallow');
    expect(refusal(jobFor(renewed.node(NODE), trust, { intermediates: [renewed.der, shallow.der] }))).toBeUndefined();
  });

  it('longer than eight certificates is refused', () => {
    const links: TestAuthority[] = [root];
    for (let depth = 1; depth <= 7; depth += 1) links.push((links.at(-1) ?? root).intermediate(`Link ${depth}`));
    const job = (length: number) => {
      const last = links[length] ?? root;
      return jobFor(last.node(NODE), trust, { intermediates: links.slice(1, length + 1).map(({ der }) => der) });
    };
    expect(refusal(job(6))).toBeUndefined();
    expect(refusal(job(7))).toMatch(/^its certificate leads to no trusted authority/);
  });

  it('in which authorities certify each other ends, with a bounded number of signatures', () => {
    const [first, second] = [TestAuthority.root('First'), TestAuthority.root('Second')];
    const cross = (issuer: TestAuthority, subject: TestAuthority) =>
      issuer.issue({ authority: true, keyUsage: [5], subject: subject.subject, key: subject.key }).der;
    const loop = [first.der, second.der, cross(first, second), cross(second, first)];
    expect(refusal(jobFor(first.node(NODE), trust, { intermediates: loop }))).toMatch(/leads to no trusted authority/);
    const many = Array.from({ length: 15 }, () => TestAuthority.root('Same').der);
    const began = performance.now();
    expect(refusal(jobFor(TestAuthority.root('Same').node(NODE), trust, { intermediates: many }))).toMatch(
      /no trusted authority/,
    );
    const same = Array.from({ length: 15 }, () => TestAuthority.root('Root').der);
    expect(refusal(jobFor(TestAuthority.root('Root').node(NODE), trust, { intermediates: same }))).toMatch(
      /^its certificate is not signed by|above it is not signed/,
    );
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('signed with SHA-1, or by an algorithm that the issuer’s key cannot have made, is refused', () => {
    const rsa = TestAuthority.root('RSA', 'rsa');
    const good = rsa.node(NODE, { scheme: SCHEMES.rsaPssSha384 });
    expect(refusal(jobFor(good, trustIn([rsa])))).toBeUndefined();
    const sha1 = Buffer.from(rsa.node(NODE).der)
      .toString('hex')
      .replaceAll('06092a864886f70d01010b0500', '06092a864886f70d0101050500');
    expect(refusal(jobFor({ ...good, der: Buffer.from(sha1, 'hex') }, trustIn([rsa])))).toMatch(
      /^its certificate is signed by an algorithm that is not supported/,
    );
  });

  it('whose certificate names different algorithms inside and outside is refused', () => {
    const hex = Buffer.from(node.der).toString('hex');
    const at = hex.lastIndexOf('06082a8648ce3d040302');
    const der = Buffer.from(`${hex.slice(0, at)}06082a8648ce3d040303${hex.slice(at + 20)}`, 'hex');
    expect(refusal(jobFor({ ...node, der }, trust))).toBe(
      'its certificate names two different algorithms for its signature',
    );
  });
});
