import { describe, expect, it } from 'vitest';

import type { VerificationJob } from '../ike/types.ts';
import {
  directory,
  dns,
  email,
  ip,
  TEST_TIME,
  TestAuthority,
  type TestCertificateOptions,
  uri,
} from '../pki/testing/authority.ts';
import { context, element, sequence } from '../pki/testing/der-writer.ts';
import { fqdnIdentity, jobFor, trustIn } from './testing/verification.ts';
import { CertificateVerifier } from './verifier.ts';

const NODE = 'node-a.mesh.test';
const root = TestAuthority.root();
const trust = trustIn([root]);

/** Why a job is refused at the time of the test; undefined where it is not. */
function refusal(job: VerificationJob): string | undefined {
  const outcome = new CertificateVerifier({ wallMs: () => TEST_TIME }).check(job);
  return outcome.ok ? undefined : outcome.error.reason;
}

describe('name constraints of an authority', () => {
  const below = (constraints: TestCertificateOptions, names: readonly Uint8Array[], subject = {}) => {
    const authority = root.intermediate('Constrained', constraints);
    const shown = authority.node(NODE, { names: [dns(NODE), ...names], subject });
    return refusal(jobFor(shown, trust, { intermediates: [authority.der] }));
  };

  const PERMITTED: readonly (readonly [
    string,
    TestCertificateOptions,
    readonly Uint8Array[],
    Readonly<Record<string, string>>?,
  ])[] = [
    ['a domain above the name', { permitted: [dns('mesh.test')] }, []],
    ['the name itself', { permitted: [dns('NODE-a.mesh.test')] }, []],
    ['a domain with a leading dot', { permitted: [dns('.mesh.test')] }, []],
    ['every domain', { permitted: [dns('')] }, []],
    ['names of another form only', { permitted: [ip(192, 0, 2, 0, 255, 255, 255, 0)] }, []],
    ['a network', { permitted: [ip(192, 0, 2, 0, 255, 255, 255, 0)] }, [ip(192, 0, 2, 77)]],
    [
      'one of two networks',
      { permitted: [ip(10, 0, 0, 0, 255, 0, 0, 0), ip(192, 0, 2, 0, 255, 255, 255, 0)] },
      [ip(192, 0, 2, 77)],
    ],
    ['a mail domain', { permitted: [email('mesh.test')] }, [email('admin@mesh.test')]],
    ['mail hosts below', { permitted: [email('.mesh.test')] }, [email('admin@mail.mesh.test')]],
    ['one mailbox', { permitted: [email('admin@mesh.test')] }, [email('admin@Mesh.test')]],
    ['a part of the directory', { permitted: [directory({ O: 'mesh' })] }, [], { O: 'Mesh', CN: 'a' }],
    ['a host in URIs', { permitted: [uri('.mesh.test')] }, [uri('spiffe://a.mesh.test/node')]],
    ['everything but another domain', { excluded: [dns('other.test')] }, []],
    ['everything but another network', { excluded: [ip(10, 0, 0, 0, 255, 0, 0, 0)] }, [ip(192, 0, 2, 77)]],
  ];
  for (const [what, constraints, names, subject] of PERMITTED) {
    it(`that permit ${what} let it pass`, () => {
      expect(below(constraints, names, subject)).toBeUndefined();
    });
  }

  const NOT_PERMITTED: readonly (readonly [
    string,
    TestCertificateOptions,
    readonly Uint8Array[],
    RegExp,
    Readonly<Record<string, string>>?,
  ])[] = [
    [
      'a domain of which it is only the end',
      { permitted: [dns('h.test')] },
      [],
      /does not permit DNS node-a\.mesh\.test/,
    ],
    ['a domain below it', { permitted: [dns('x.node-a.mesh.test')] }, [], /does not permit DNS/],
    [
      'another domain, although a further name would be permitted',
      { permitted: [dns('other.test')] },
      [dns('a.other.test')],
      /does not permit DNS node-a/,
    ],
    [
      'another network',
      { permitted: [ip(10, 0, 0, 0, 255, 0, 0, 0)] },
      [ip(192, 0, 2, 77)],
      /does not permit IP 192\.0\.2\.77/,
    ],
    [
      'a network whose mask has holes',
      { permitted: [ip(192, 0, 2, 0, 255, 0, 255, 0)] },
      [ip(192, 1, 3, 1)],
      /does not permit IP/,
    ],
    [
      'a network of another family',
      { permitted: [ip(...new Array(32).fill(0))] },
      [ip(192, 0, 2, 77)],
      /does not permit IP/,
    ],
    ['a network that is none', { permitted: [ip(192, 0, 2, 0)] }, [ip(192, 0, 2, 0)], /does not permit IP/],
    ['another mail domain', { permitted: [email('other.test')] }, [email('admin@mesh.test')], /does not permit email/],
    [
      'a mail domain, for one below it',
      { permitted: [email('mesh.test')] },
      [email('admin@x.mesh.test')],
      /does not permit email/,
    ],
    [
      'a mail domain, for an address in the subject',
      { permitted: [email('mesh.test')] },
      [],
      /does not permit email admin@other/,
      { E: 'admin@other.test' },
    ],
    [
      'another part of the directory',
      { permitted: [directory({ O: 'Other' })] },
      [],
      /does not permit DN CN=a, O=Mesh/,
      { O: 'Mesh', CN: 'a' },
    ],
    [
      'another host in URIs',
      { permitted: [uri('mesh.test')] },
      [uri('spiffe://mesh.test.evil/node')],
      /does not permit URI/,
    ],
    [
      'a host in URIs, for one without',
      { permitted: [uri('mesh.test')] },
      [uri('urn:mesh.test')],
      /does not permit URI/,
    ],
  ];
  for (const [what, constraints, names, reason, subject] of NOT_PERMITTED) {
    it(`that permit only ${what} refuse it`, () => {
      expect(below(constraints, names, subject)).toMatch(reason);
    });
  }

  const EXCLUDED: readonly (readonly [
    string,
    TestCertificateOptions,
    readonly Uint8Array[],
    RegExp,
    Readonly<Record<string, string>>?,
  ])[] = [
    ['its domain', { excluded: [dns('mesh.test')] }, [], /excludes DNS node-a\.mesh\.test/],
    [
      'its domain, though that is permitted too',
      { permitted: [dns('mesh.test')], excluded: [dns('node-a.mesh.test')] },
      [],
      /excludes DNS/,
    ],
    ['its network', { excluded: [ip(192, 0, 2, 0, 255, 255, 255, 0)] }, [ip(192, 0, 2, 1)], /excludes IP/],
    ['an address that is none', { excluded: [ip(192, 0, 2, 0, 255, 255, 255, 0)] }, [ip(192, 0, 2)], /excludes IP/],
    ['its part of the directory', { excluded: [directory({ O: 'MESH' })] }, [], /excludes DN/, { O: 'Mesh', CN: 'a' }],
    ['its mail host', { excluded: [email('mesh.test')] }, [email('a@MESH.test')], /excludes email/],
    [
      'a mail host, for something that is no address',
      { excluded: [email('mesh.test')] },
      [email('nobody')],
      /excludes email/,
    ],
    ['a URI host, for a URI without', { excluded: [uri('mesh.test')] }, [uri('urn:x')], /excludes URI/],
    [
      'a form that we cannot compare',
      { excluded: [element(0x88, Uint8Array.of(1))] },
      [],
      /constrains a name of form 8, which is not supported/,
    ],
  ];
  for (const [what, constraints, names, reason, subject] of EXCLUDED) {
    it(`that exclude ${what} refuse it`, () => {
      expect(below(constraints, names, subject)).toMatch(reason);
    });
  }

  it('hold for authorities below, and those of all authorities together', () => {
    const outer = root.intermediate('Outer', { permitted: [dns('mesh.test')] });
    const inner = outer.intermediate('Inner', { permitted: [dns('node-a.mesh.test'), dns('evil.test')] });
    const chain = [inner.der, outer.der];
    expect(refusal(jobFor(inner.node(NODE), trust, { intermediates: chain }))).toBeUndefined();
    const evil = jobFor(inner.node('evil.test'), trust, { intermediates: chain, identity: fqdnIdentity('evil.test') });
    expect(refusal(evil)).toMatch(/Outer, O=Mesh does not permit DNS evil\.test/);
    const other = root.intermediate('Directory', { permitted: [directory({ O: 'Other' })] });
    const low = other.intermediate('Low');
    expect(refusal(jobFor(low.node(NODE), trust, { intermediates: [low.der, other.der] }))).toMatch(
      /does not permit DN CN=Low/,
    );
  });

  it('do not hold for a self-issued authority below, but for whom that issues (RFC 5280 §4.2.1.10)', () => {
    const outer = root.intermediate('Outer', { permitted: [dns('mesh.test'), directory({ O: 'Other' })] });
    const renewed = outer.intermediate('Outer');
    const chain = [renewed.der, outer.der];
    expect(refusal(jobFor(renewed.node(NODE), trust, { intermediates: chain }))).toBeUndefined();
    const named = renewed.node(NODE, { subject: { O: 'Mesh', CN: 'a' } });
    expect(refusal(jobFor(named, trust, { intermediates: chain }))).toMatch(/Outer, O=Mesh does not permit DN CN=a/);
  });

  it('of the anchor itself hold', () => {
    const anchor = TestAuthority.root('Anchor', 'ecdsaP256', { permitted: [dns('other.test')] });
    expect(refusal(jobFor(anchor.node(NODE), trustIn([anchor])))).toMatch(/CN=Anchor, O=Mesh does not permit DNS/);
  });

  it.each([
    ['a minimum', sequence(context(0, sequence(dns('mesh.test'), element(0x80, Uint8Array.of(1)))))],
    ['a maximum', sequence(context(0, sequence(dns('mesh.test'), element(0x81, Uint8Array.of(0)))))],
    ['a third list', sequence(context(2, sequence(dns('mesh.test'))))],
    ['two lists of one kind', sequence(context(0, sequence(dns('a'))), context(0, sequence(dns('b'))))],
    ['no list', sequence()],
  ])('with %s are refused with their certificate', (_, value) => {
    const odd = root.intermediate('Odd', { extensions: [{ oid: '2.5.29.30', critical: true, value }] });
    expect(refusal(jobFor(odd.node(NODE), trust, { intermediates: [odd.der] }))).toMatch(/no trusted authority/);
  });
});
