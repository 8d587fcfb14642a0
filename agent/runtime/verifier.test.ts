import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import type { VerificationJob } from '../ike/types.ts';
import { FIXED_SCHEMES, SCHEMES, type SignatureScheme } from '../pki/signature-scheme.ts';
import {
  directory,
  dns,
  email,
  ip,
  TEST_TIME,
  TestAuthority,
  type TestCertificateOptions,
  type TestKeyKind,
  testKey,
} from '../pki/testing/authority.ts';
import { bits, boolean, element, integer, name, oid, sequence } from '../pki/testing/der-writer.ts';
import { IdType } from '../wire/registry.ts';
import { jobFor, OCTETS, signedWith, trustIn } from './testing/verification.ts';
import { CertificateVerifier } from './verifier.ts';

const DAY = 86_400_000;
const NODE = 'node-a.mesh.test';
const root = TestAuthority.root();
const trust = trustIn([root]);
const node = root.node(NODE);

/** Why a job is refused at the time of the test; undefined where it is not. */
function refusal(job: VerificationJob, nowMs = TEST_TIME): string | undefined {
  const outcome = new CertificateVerifier({ wallMs: () => nowMs }).check(job);
  return outcome.ok ? undefined : outcome.error.reason;
}

/** Why a certificate that the root has issued to the node is refused. */
function refused(options: TestCertificateOptions, nowMs?: number): string | undefined {
  return refusal(jobFor(root.node(NODE, options), trust), nowMs);
}

function identity(idType: number, data: Uint8Array | string) {
  return { idType, data: typeof data === 'string' ? new TextEncoder().encode(data) : data };
}

describe('a peer that shows a certificate', () => {
  it.each<TestKeyKind>(['rsa', 'ecdsaP256', 'ecdsaP384', 'ecdsaP521', 'ed25519', 'ed448'])(
    'of a trusted authority and signs with its key %s is believed',
    (kind) => {
      const authority = TestAuthority.root(`Root ${kind}`, kind);
      expect(refusal(jobFor(authority.node(NODE, {}, kind), trustIn([authority])))).toBeUndefined();
    },
  );

  it.each<readonly [keyof typeof SCHEMES | keyof typeof FIXED_SCHEMES, TestKeyKind]>([
    ['rsaPkcs1Sha256', 'rsa'],
    ['rsaPkcs1Sha384', 'rsa'],
    ['rsaPkcs1Sha512', 'rsa'],
    ['rsaPssSha256', 'rsa'],
    ['rsaPssSha384', 'rsa'],
    ['rsaPssSha512', 'rsa'],
    ['rsaSha1', 'rsa'],
    ['ecdsaSha256', 'ecdsaP384'],
    ['ecdsaSha384', 'ecdsaP256'],
    ['ecdsaSha512', 'ecdsaP256'],
    ['ecdsaSha512', 'ecdsaP521'],
    ['ecdsaP256', 'ecdsaP256'],
    ['ecdsaP384', 'ecdsaP384'],
    ['ecdsaP521', 'ecdsaP521'],
  ])('and signs by %s with a key %s is believed, and by no other bytes, octets or key', (id, kind) => {
    const scheme: SignatureScheme = { ...SCHEMES, ...FIXED_SCHEMES }[id];
    const shown = root.node(NODE, {}, kind);
    const job = jobFor(shown, trust, { scheme });
    expect(refusal(job)).toBeUndefined();
    const wrong = 'its signature is wrong: it does not have the key of the certificate that it sent';
    const flipped = job.signature.slice();
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    expect(refusal({ ...job, signature: flipped })).toBe(wrong);
    expect(refusal({ ...job, signature: Uint8Array.of(...job.signature, 0) })).toBe(wrong);
    expect(refusal({ ...job, signature: new Uint8Array(job.signature.length) })).toBe(wrong);
    expect(refusal({ ...job, signature: new Uint8Array(0) })).toBe(wrong);
    expect(refusal({ ...job, signedOctets: Uint8Array.of(...OCTETS, 1) })).toBe(wrong);
    const other = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : testKey(kind);
    expect(refusal({ ...job, signature: signedWith(other, scheme) })).toBe(wrong);
  });

  it('and signs by a scheme for another kind of key is refused', () => {
    expect(refusal(jobFor(node, trust, { scheme: SCHEMES.ed25519, signature: new Uint8Array(64) }))).toBe(
      'it signs by Ed25519, but its certificate has a key for ecdsaP256',
    );
    expect(refusal(jobFor(node, trust, { scheme: FIXED_SCHEMES.ecdsaP384, signature: new Uint8Array(96) }))).toMatch(
      /^it signs by ECDSA P-384/,
    );
  });

  it('that is not in proper form is refused', () => {
    for (const [bytes, reason] of [
      [new Uint8Array(0), 'its certificate is no X.509 certificate in proper form (form)'],
      [node.der.subarray(0, -1), 'its certificate is no X.509 certificate in proper form (form)'],
      [Uint8Array.of(...node.der, 0), 'its certificate is no X.509 certificate in proper form (form)'],
      [new Uint8Array(20_000), 'its certificate has 20000 bytes; 16384 are allowed'],
    ] as const) {
      expect(refusal(jobFor({ ...node, der: bytes }, trust))).toBe(reason);
    }
  });

  it('is refused with any bit of its certificate changed, and never crashes us', () => {
    for (let bit = 0; bit < 8 * node.der.length; bit += 5) {
      const der = node.der.slice();
      der[bit >> 3] = (der[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(refusal(jobFor({ ...node, der }, trust))).toBeDefined();
    }
  });
});

describe('the identity of a peer', () => {
  const names = [dns('Node-A.mesh.test'), email('node-a@Mesh.test'), ip(192, 0, 2, 1), ip(...new Array(15).fill(0), 1)];
  const subject = { O: 'Mesh  Ltd', CN: 'Node A' };
  const shown = root.node(NODE, { names: [...names, directory({ OU: 'Nodes' })], subject });
  const believed = (idType: number, data: Uint8Array | string) =>
    refusal(jobFor(shown, trust, { identity: identity(idType, data) }));

  it.each<readonly [string, number, Uint8Array | string]>([
    ['FQDN, whatever its case', IdType.ID_FQDN, 'nODE-a.MESH.test'],
    ['e-mail address, whatever the case of its domain', IdType.ID_RFC822_ADDR, 'node-a@mesh.TEST'],
    ['IPv4 address', IdType.ID_IPV4_ADDR, Uint8Array.of(192, 0, 2, 1)],
    ['IPv6 address', IdType.ID_IPV6_ADDR, Uint8Array.of(...new Array(15).fill(0), 1)],
    ['subject', IdType.ID_DER_ASN1_DN, name(subject)],
    ['subject in other case and spacing', IdType.ID_DER_ASN1_DN, name({ O: ' MESH ltd', CN: 'node  a' })],
    ['directory name', IdType.ID_DER_ASN1_DN, name({ OU: 'nodes' })],
  ])('may be its %s', (_, idType, data) => {
    expect(believed(idType, data)).toBeUndefined();
  });

  it.each<readonly [string, number, Uint8Array | string]>([
    ['another FQDN', IdType.ID_FQDN, 'node-b.mesh.test'],
    ['a part of an FQDN', IdType.ID_FQDN, 'mesh.test'],
    ['an FQDN with more before it', IdType.ID_FQDN, 'x.node-a.mesh.test'],
    ['an FQDN with a zero byte after it', IdType.ID_FQDN, 'node-a.mesh.test\0'],
    ['nothing', IdType.ID_FQDN, ''],
    ['an e-mail address as an FQDN', IdType.ID_FQDN, 'node-a@mesh.test'],
    ['an e-mail address in other case before the @', IdType.ID_RFC822_ADDR, 'Node-A@mesh.test'],
    ['an FQDN as an e-mail address', IdType.ID_RFC822_ADDR, NODE],
    ['another IPv4 address', IdType.ID_IPV4_ADDR, Uint8Array.of(192, 0, 2, 2)],
    ['a short IPv4 address', IdType.ID_IPV4_ADDR, Uint8Array.of(192, 0, 2)],
    ['no IPv6 address', IdType.ID_IPV6_ADDR, new Uint8Array(0)],
    ['its IPv6 address as an IPv4 one', IdType.ID_IPV4_ADDR, Uint8Array.of(...new Array(15).fill(0), 1)],
    ['an IPv4 address as text', IdType.ID_FQDN, '192.0.2.1'],
    ['a part of the subject', IdType.ID_DER_ASN1_DN, name({ CN: 'Node A' })],
    ['the subject in another order', IdType.ID_DER_ASN1_DN, name({ CN: 'Node A', O: 'Mesh Ltd' })],
    ['the subject and more', IdType.ID_DER_ASN1_DN, name({ ...subject, OU: 'x' })],
    ['an empty DN', IdType.ID_DER_ASN1_DN, name({})],
    ['a cut DN', IdType.ID_DER_ASN1_DN, name(subject).subarray(0, 12)],
    ['a DN of one byte', IdType.ID_DER_ASN1_DN, Uint8Array.of(0x30)],
    ['no DN at all', IdType.ID_DER_ASN1_DN, new Uint8Array(0)],
  ])('is not %s', (_, idType, data) => {
    expect(believed(idType, data)).toMatch(
      /^the certificate is for DNS Node-A\.mesh\.test, .*, not for this identity$/,
    );
  });

  it('is not its common name, although that is a host name', () => {
    const common = root.node('other.mesh.test', { subject: { CN: NODE } });
    expect(refusal(jobFor(common, trust))).toBe(
      `the certificate is for DNS other.mesh.test, DN CN=${NODE}, not for this identity`,
    );
    expect(refused({ names: [], subject: { CN: NODE } })).toBe(
      `the certificate is for DN CN=${NODE}, not for this identity`,
    );
    expect(refused({ names: [] })).toBe('the certificate is for nobody, not for this identity');
  });

  it('is none that a wildcard stands for', () => {
    expect(refused({ names: [dns('*.mesh.test')] })).toMatch(/^the certificate is for DNS \*\.mesh\.test, not/);
  });

  it('cannot be a key ID', () => {
    expect(believed(IdType.ID_KEY_ID, NODE)).toMatch(/^an identity of this type cannot be proven by a certificate/);
  });

  it('of one node is never proven by another node’s certificate', () => {
    const other = root.node('node-b.mesh.test');
    expect(refusal(jobFor(other, trust))).toBe('the certificate is for DNS node-b.mesh.test, not for this identity');
    expect(refusal(jobFor({ der: node.der, key: other.key }, trust))).toMatch(/^its signature is wrong/);
  });
});

describe('a certificate', () => {
  it.each<readonly [string, TestCertificateOptions, RegExp]>([
    [
      'that has expired',
      { notAfterMs: TEST_TIME - 1_000 },
      /^its certificate has expired at 2026-11-27 11:59:59Z; this/,
    ],
    [
      'that is not valid yet',
      { notBeforeMs: TEST_TIME + 1_000 },
      /^its certificate is not valid before 2026-11-27 12:00:01Z/,
    ],
    ['of an authority', { authority: true }, /^its certificate is that of an authority, not of a peer/],
    ['that may not sign', { keyUsage: [2, 3, 4, 5, 6] }, /^its certificate may not be used for signatures/],
    [
      'with a critical extension that is unknown',
      { extensions: [{ oid: '1.2.3.4', critical: true, value: boolean(true) }] },
      /that are not: 1\.2\.3\.4$/,
    ],
    [
      'with a weak RSA key',
      { key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey },
      /RSA key of 1024 bits/,
    ],
    [
      'with a small RSA exponent',
      { key: generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey },
      /exponent that is not allowed/,
    ],
    ['with a huge RSA exponent', { publicKey: rsaPublicKey(2n ** 64n + 1n) }, /exponent that is not allowed/],
    ['with the RSA exponent 1', { publicKey: rsaPublicKey(1n) }, /exponent that is not allowed/],
    ['with an even RSA exponent', { publicKey: rsaPublicKey(65_538n) }, /exponent that is not allowed/],
    ['with the RSA exponent 0', { publicKey: rsaPublicKey(0n) }, /exponent that is not allowed|cannot read/],
    [
      'with a huge RSA key',
      { publicKey: rsaPublicKey(65_537n, 2n ** 16_383n + 1n) },
      /RSA key of 16384 bits; at most 8192/,
    ],
    [
      'with a key on an unknown curve',
      { key: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey },
      /not supported \(ec secp256k1\)/,
    ],
    [
      'with a key for DSA',
      { key: generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey },
      /not supported \(dsa\)/,
    ],
    [
      'with an extension twice',
      { extensions: [{ oid: '2.5.29.17', value: sequence(dns(NODE)) }] },
      /has the extension 2\.5\.29\.17 twice/,
    ],
    [
      'with names that are no text',
      { names: [element(0x82, Uint8Array.of(0x61, 0, 0x62))] },
      /proper form \(subject alternative names\)/,
    ],
  ])('%s is refused', (_, options, reason) => {
    expect(refused(options)).toMatch(reason);
  });

  it('with a key usage of non-repudiation, or of everything, or without any, is accepted (RFC 4945 §5.1.3.2)', () => {
    expect(refused({ keyUsage: [1] })).toBeUndefined();
    expect(refused({ keyUsage: [0, 1, 2, 3, 4, 8] })).toBeUndefined();
    const bare = root.issue({ names: [dns(NODE)] });
    expect(refusal(jobFor(bare, trust))).toBeUndefined();
  });

  it('is valid up to the second at which it ends, by the clock of this host', () => {
    const shown = root.node(NODE, { notBeforeMs: TEST_TIME, notAfterMs: TEST_TIME + DAY });
    const at = (nowMs: number) => refusal(jobFor(shown, trust), nowMs);
    expect(
      [at(TEST_TIME - 1), at(TEST_TIME), at(TEST_TIME + DAY), at(TEST_TIME + DAY + 1)].map(
        (each) => each === undefined,
      ),
    ).toEqual([false, true, true, false]);
  });

  it.each<readonly [string, readonly string[] | undefined, readonly string[], boolean]>([
    ['ipsecIKE where that is accepted', ['1.3.6.1.5.5.7.3.17'], ['1.3.6.1.5.5.7.3.17'], true],
    [
      'one of several accepted',
      ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.6'],
      ['1.3.6.1.5.5.7.3.17', '1.3.6.1.5.5.7.3.6'],
      true,
    ],
    ['anyExtendedKeyUsage', ['2.5.29.37.0'], ['1.3.6.1.5.5.7.3.17'], true],
    ['none at all', undefined, ['1.3.6.1.5.5.7.3.17'], true],
    ['any where nothing is asked for', ['1.3.6.1.5.5.7.3.1'], [], true],
    ['serverAuth only where that is not accepted', ['1.3.6.1.5.5.7.3.1'], ['1.3.6.1.5.5.7.3.17'], false],
  ])('with the extended key usage %s', (_, usages, accepted, good) => {
    const shown = root.node(NODE, usages === undefined ? {} : { extendedKeyUsages: usages });
    const found = refusal(jobFor(shown, trustIn([root], { extendedKeyUsages: accepted })));
    if (good) expect(found).toBeUndefined();
    else expect(found).toBe('its certificate may not be used for IPsec: its extended key usages are 1.3.6.1.5.5.7.3.1');
  });
});

describe('what a proof costs', () => {
  it('is no signature check of the issuer once its certificate was found true, until it is shown changed', () => {
    const verifier = new CertificateVerifier({ wallMs: () => TEST_TIME });
    const job = jobFor(node, trust);
    expect(verifier.check(job).ok).toBe(true);
    expect(verifier.check(job).ok).toBe(true);
    const der = node.der.slice();
    der[der.length - 3] = (der.at(-3) ?? 0) ^ 1;
    expect(verifier.check({ ...job, certificates: [der] }).ok).toBe(false);
    expect(verifier.check({ ...job, signature: new Uint8Array(70) }).ok).toBe(false);
  });

  it('does not make yesterday’s answer hold today: expiry and revocation are looked at each time', () => {
    let nowMs = TEST_TIME;
    const verifier = new CertificateVerifier({ wallMs: () => nowMs });
    expect(verifier.check(jobFor(node, trust)).ok).toBe(true);
    const serial = 5n;
    const revoked = trustIn([root], { revocationLists: [root.revocationList([serial])] });
    const shown = root.node(NODE, { serial });
    expect(verifier.check(jobFor(shown, trust)).ok).toBe(true);
    expect(verifier.check(jobFor(shown, revoked)).ok).toBe(false);
    nowMs += 31 * DAY;
    expect(verifier.check(jobFor(node, trust)).ok).toBe(false);
  });
});

/** A SubjectPublicKeyInfo of this exponent (RFC 3279 §2.3.1). */
function rsaPublicKey(exponent: bigint, modulus = 2n ** 2_047n + 1n): Uint8Array {
  const algorithm = sequence(oid('1.2.840.113549.1.1.1'), element(0x05));
  return sequence(algorithm, bits(sequence(integer(modulus), integer(exponent))));
}
