import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeEach, describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { secretsOf, wipeSecrets } from '../../ike/negotiation/authentication.ts';
import {
  dns,
  keyPem,
  pem,
  TEST_TIME,
  TestAuthority,
  type TestCertificate,
  testKey,
} from '../../pki/testing/authority.ts';
import { err } from '../../result.ts';
import type { AgentConfig } from './agent-config.ts';
import { assignReqids } from './assign-reqids.ts';
import { type CredentialSources, NO_SOURCES } from './credential-sources.ts';
import { configDifference } from './difference.ts';
import { formatFaults } from './fault.ts';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'ikemesh-certificates-'));
const DAY = 86_400_000;
const root = TestAuthority.root();
const other = TestAuthority.root('Other');
const node = root.node('node-a.mesh.test');

afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, ...content: readonly string[]): void {
  writeFileSync(join(folder, name), content.join(''));
  chmodSync(join(folder, name), 0o600);
}

function certificates(...all: readonly { readonly der: Uint8Array }[]): string {
  return all.map(({ der }) => pem('CERTIFICATE', der)).join('');
}

function show({ der, key }: TestCertificate, ...above: readonly TestAuthority[]): void {
  write('tls.crt', certificates({ der }, ...above));
  write('tls.key', keyPem(key));
}

/** So many authorities below the root, the lowest one last, each with names that fill its certificate. */
function chainOf(length: number, names = 0): readonly TestAuthority[] {
  const chain: TestAuthority[] = [];
  for (let number = 1; number <= length; number += 1) {
    const filling = Array.from({ length: names }, (_, index) => dns(`a-name-of-some-thirty-letters-${index}.test`));
    chain.push((chain.at(-1) ?? root).intermediate(`Middle ${number}`, { names: filling }));
  }
  return chain;
}

function showBelow(chain: readonly TestAuthority[]): void {
  show((chain.at(-1) ?? root).node('node-a.mesh.test'), ...chain.toReversed());
}

beforeEach(() => {
  show(node);
  write('ca.crt', certificates(root));
  write('psk', 'a pre-shared key of some length');
});

const CERTIFICATE = '{certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt]}}';

function file(authentication = `{certificate: ${CERTIFICATE}}`, defaults = ''): string {
  return `node: {name: node-a, identity: {fqdn: node-a.mesh.test}, addresses: [10.78.0.1]}
${defaults}peers:
- name: node-b
  address: 10.78.0.2
  identity: {fqdn: node-b.mesh.test}
${authentication === '' ? '' : `  authentication: ${authentication}\n`}`;
}

async function load(text: string, previous: CredentialSources = NO_SOURCES, nowMs = TEST_TIME) {
  const path = join(folder, 'node.yaml');
  writeFileSync(path, text);
  const services = {
    provider: opensslProvider,
    resolveHost: async (host: string) => err(`${host} does not resolve`),
    clock: { wallMs: () => nowMs },
  };
  return loadConfig(path, services, previous);
}

async function config(text = file(), previous?: CredentialSources, nowMs?: number): Promise<AgentConfig> {
  const loaded = await load(text, previous, nowMs);
  if (!loaded.ok) throw new Error(formatFaults('f', loaded.error).join('\n'));
  return loaded.value;
}

async function faults(text = file()): Promise<readonly string[]> {
  const loaded = await load(text);
  return loaded.ok ? [] : lines(loaded.error);
}

/** The certificates that are shown to the first peer. */
function chainIn({ connections }: AgentConfig): readonly Uint8Array[] | undefined {
  const local = connections[0]?.localAuthentication;
  return local?.kind === 'certificate' ? local.credentials[0].certificates : undefined;
}

/** What an agent with one configuration is told when it is given another one. */
function updatesBetween(before: AgentConfig, after: AgentConfig): readonly string[] {
  const kernel = { sas: [], policies: [] };
  const running = assignReqids(before.connections, [], kernel);
  const { changes } = configDifference(running, assignReqids(after.connections, running, kernel));
  return changes.map(({ kind }) => kind);
}

function lines(all: Parameters<typeof formatFaults>[1]): readonly string[] {
  return formatFaults('f', all).map((line) => line.replaceAll(`${folder}/`, '').replace(/^f:\d+:\d+: /, ''));
}

const HERE = 'peers[0].authentication.certificate';

describe('authentication by certificate in the configuration', () => {
  it('has a certificate of our own, whom to trust, and sensible values for the rest', async () => {
    const [connection] = (await config()).connections;
    expect(connection?.localAuthentication).toMatchObject({
      kind: 'certificate',
      credentials: [
        {
          certificates: [node.der],
          key: { kind: 'ecdsaP256' },
          authorities: [expect.stringMatching(/^[0-9a-f]{40}$/)],
        },
      ],
      signatures: { rsaPadding: 'PSS', rsaSha1: false },
    });
    expect(connection?.remoteAuthentication).toMatchObject({
      kind: 'certificate',
      rsaSha1: false,
      trust: {
        anchors: [root.der],
        revocation: 'IfPresent',
        extendedKeyUsages: expect.arrayContaining(['1.3.6.1.5.5.7.3.17']),
      },
    });
  });

  it('may stand in defaults, and is read once for all', async () => {
    const many = ['c', 'd'].map(
      (name) => `- {name: node-${name}, address: 10.78.0.${name.charCodeAt(0)}, identity: {fqdn: ${name}.test}}\n`,
    );
    const { connections } = await config(
      file('', `defaults: {authentication: {certificate: ${CERTIFICATE}}}\n`) + many.join(''),
    );
    expect(connections).toHaveLength(3);
    expect(
      new Set(connections.map(({ remoteAuthentication: each }) => (each.kind === 'certificate' ? each.trust : each)))
        .size,
    ).toBe(1);
  });

  it('may be of one side only, and a pre-shared key of the other', async () => {
    const mixed =
      '{local: {certificate: {certificateFile: tls.crt, keyFile: tls.key}}, remote: {preSharedKey: {file: psk}}}';
    const reversed = '{local: {preSharedKey: {file: psk}}, remote: {certificate: {trust: {bundleFiles: [ca.crt]}}}}';
    for (const [text, kinds] of [
      [mixed, ['certificate', 'preSharedKey']],
      [reversed, ['preSharedKey', 'certificate']],
    ] as const) {
      const [connection] = (await config(file(text))).connections;
      expect([connection?.localAuthentication.kind, connection?.remoteAuthentication.kind]).toEqual(kinds);
    }
  });

  it('sends intermediates, but no root, and knows by which authorities a peer may ask for it', async () => {
    const middle = root.intermediate('Middle');
    show(middle.node('node-a.mesh.test'), middle, root);
    const [connection] = (await config()).connections;
    const local = connection?.localAuthentication;
    expect(local?.kind === 'certificate' ? local.credentials[0].certificates : []).toHaveLength(2);
    const remote = connection?.remoteAuthentication;
    const anchors = remote?.kind === 'certificate' ? remote.trust.authorities : [];
    expect(local?.kind === 'certificate' ? local.credentials[0].authorities : []).toEqual(
      expect.arrayContaining([...anchors]),
    );
    expect(local?.kind === 'certificate' ? new Set(local.credentials[0].authorities).size : 0).toBe(2);
  });

  it('may have several certificates to choose from', async () => {
    const second = other.node('node-a.mesh.test');
    write('second.crt', certificates(second));
    write('second.key', keyPem(second.key));
    const text =
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, alternatives: [{certificateFile: second.crt, keyFile: second.key}], trust: {bundleFiles: [ca.crt]}}}';
    const [connection] = (await config(file(text))).connections;
    expect(connection?.localAuthentication).toMatchObject({
      credentials: [{ certificates: [node.der] }, { certificates: [second.der] }],
    });
  });

  it('knows the old and the new authority, revocation lists in PEM and DER, and what may be changed', async () => {
    write('both.crt', certificates(root, other));
    write('ca.crl', pem('X509 CRL', root.revocationList([1n])));
    writeFileSync(join(folder, 'other.crl'), other.revocationList([]));
    const text = `{certificate: {certificateFile: tls.crt, keyFile: tls.key, rsaPadding: PKCS1, rsaSha1: true, trust: {bundleFiles: [ca.crt, both.crt],
      crlFiles: [ca.crl, other.crl], revocation: Required, extendedKeyUsages: [serverAuth, 1.2.3.4]}}}`;
    const loaded = await config(file(text));
    expect(loaded.connections[0]).toMatchObject({
      localAuthentication: { signatures: { rsaPadding: 'PKCS1', rsaSha1: true } },
      remoteAuthentication: {
        rsaSha1: true,
        trust: {
          anchors: [root.der, other.der],
          revocation: 'Required',
          extendedKeyUsages: ['1.3.6.1.5.5.7.3.1', '1.2.3.4'],
          revocationLists: [{}, {}],
        },
      },
    });
    expect(loaded.credentials.files.map((name) => name.replace(`${folder}/`, '')).sort()).toEqual([
      'both.crt',
      'ca.crl',
      'ca.crt',
      'other.crl',
      'tls.crt',
      'tls.key',
    ]);
    expect(loaded.credentials.watched.map(({ kind, name }) => [kind, name])).toEqual([
      ['own', 'node-a.mesh.test'],
      ['authority', 'CN=Root, O=Mesh'],
      ['authority', 'CN=Root, O=Mesh'],
      ['authority', 'CN=Other, O=Mesh'],
      ['revocationList', 'CN=Root, O=Mesh'],
      ['revocationList', 'CN=Other, O=Mesh'],
    ]);
  });

  it('never shows the private key', async () => {
    const text = JSON.stringify(await config(), (_, value) => (value instanceof Map ? [...value] : value));
    const secret = keyPem(node.key).split('\n')[1] ?? '';
    expect(text).not.toContain(secret.slice(0, 20));
  });
});

describe('what can be wrong with it is told in one line', () => {
  it.each<readonly [string, () => void, string, readonly (string | RegExp)[]]>([
    [
      'neither way',
      () => {},
      '{}',
      [
        'peers[0].authentication: needs preSharedKey, or certificate, or local and remote for different ones; it has nothing',
      ],
    ],
    [
      'both ways',
      () => {},
      `{preSharedKey: {file: psk}, certificate: ${CERTIFICATE}}`,
      [/; it has preSharedKey and certificate$/],
    ],
    ['one side only', () => {}, '{local: {preSharedKey: {file: psk}}}', [/; it has local$/]],
    [
      'a side with nothing',
      () => {},
      '{local: {}, remote: {preSharedKey: {file: psk}}}',
      ['peers[0].authentication: needs exactly one of preSharedKey and certificate in local'],
    ],
    [
      'no trust',
      () => {},
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key}}',
      [`${HERE}.trust: is missing`],
    ],
    [
      'no bundle',
      () => {},
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: []}}}',
      [`${HERE}.trust.bundleFiles: must not be empty`],
    ],
    [
      'a misspelt field',
      () => {},
      '{certificate: {certificatFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt]}}}',
      [`${HERE}.certificateFile: is missing`, /did you mean certificateFile\?$/],
    ],
    [
      'an unknown usage',
      () => {},
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt], extendedKeyUsages: [ipsecIke]}}}',
      [
        /^peers\[0\]\.authentication\.certificate\.trust\.extendedKeyUsages\[0\]: "ipsecIke" is no extended key usage: .*; did you mean ipsecIKE\?$/,
      ],
    ],
  ])('%s', async (_, prepare, authentication, expected) => {
    prepare();
    expect(await faults(file(authentication))).toEqual(
      expected.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each))),
    );
  });

  it.each<readonly [string, () => void, readonly (string | RegExp)[]]>([
    [
      'a missing certificate',
      () => rmSync(join(folder, 'tls.crt')),
      [`${HERE}.certificateFile: tls.crt cannot be read: there is no such file`],
    ],
    [
      'a missing key',
      () => rmSync(join(folder, 'tls.key')),
      [`${HERE}.keyFile: tls.key cannot be read: there is no such file`],
    ],
    [
      'a missing bundle',
      () => rmSync(join(folder, 'ca.crt')),
      [`${HERE}.trust.bundleFiles[0]: ca.crt cannot be read: there is no such file`],
    ],
    ['an empty certificate', () => write('tls.crt'), [`${HERE}.certificateFile: tls.crt has no certificate in PEM`]],
    [
      'a key in place of the certificate',
      () => write('tls.crt', keyPem(node.key)),
      [`${HERE}.certificateFile: tls.crt has no certificate in PEM`],
    ],
    [
      'a cut certificate',
      () => write('tls.crt', certificates(node).slice(0, 200)),
      [`${HERE}.certificateFile: tls.crt has no certificate in PEM`],
    ],
    [
      'a broken certificate',
      () => write('tls.crt', pem('CERTIFICATE', node.der.subarray(1))),
      [/tls\.crt: certificate 1 is no X\.509 certificate in proper form/],
    ],
    [
      'a broken key',
      () => write('tls.key', 'nonsense'),
      [`${HERE}.keyFile: tls.key is no private key in PEM: PKCS #8, PKCS #1 or SEC 1`],
    ],
    [
      'the key of another certificate',
      () => write('tls.key', keyPem(testKey('ecdsaP256'))),
      [`${HERE}.keyFile: tls.key is not the key of the certificate in tls.crt`],
    ],
    [
      'a certificate for somebody else',
      () => show(root.node('node-x.mesh.test')),
      [
        `${HERE}.certificateFile: tls.crt: the certificate does not fit node.identity: the certificate is for DNS node-x.mesh.test, not for this identity`,
      ],
    ],
    [
      'the certificate of an authority',
      () => show(root.node('node-a.mesh.test', { authority: true })),
      [/the certificate is that of an authority, not of a peer$/],
    ],
    [
      'a certificate that may not sign',
      () => show(root.node('node-a.mesh.test', { keyUsage: [2] })),
      [/the certificate may not be used for signatures/],
    ],
    [
      'an end entity in the bundle',
      () => write('ca.crt', certificates(root, node)),
      [/bundleFiles\[0\]: ca\.crt: certificate 2 \(\) is not that of an authority/],
    ],
    [
      'an empty bundle',
      () => write('ca.crt', '# nothing yet\n'),
      [`${HERE}.trust.bundleFiles[0]: ca.crt has no CERTIFICATE in PEM`],
    ],
    [
      'a huge bundle',
      () => write('ca.crt', ' '.repeat(1_100_000)),
      [/ca\.crt has 1100000 bytes; at most 1048576 are allowed$/],
    ],
    [
      'a chain of more certificates than any peer follows',
      () => showBelow(chainOf(7)),
      [/tls\.crt has a chain of 8 certificates; with the authority above them peers follow 8$/],
    ],
    [
      'a chain that no peer would take in',
      () => showBelow(chainOf(3, 250)),
      [/tls\.crt has a chain of \d{5} bytes; peers take in about 20000: use smaller certificates/],
    ],
    [
      'a huge certificate',
      () => write('tls.crt', ' '.repeat(200_000)),
      [/tls\.crt has 200000 bytes; at most 131072 are allowed$/],
    ],
  ])('%s', async (_, prepare, expected) => {
    prepare();
    expect(await faults()).toEqual(
      expected.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each))),
    );
  });

  it.each([
    [
      'that is none',
      () => write('ca.crl', pem('X509 CRL', Uint8Array.of(0x30, 0))),
      /crlFiles\[0\]: ca\.crl is no certificate revocation list in proper form/,
    ],
    [
      'that its issuer has not signed',
      () => write('ca.crl', pem('X509 CRL', root.revocationList([], { key: other.key }))),
      /ca\.crl is not signed by CN=Root, O=Mesh, whom it names as its issuer$/,
    ],
    ['that is not there', () => rmSync(join(folder, 'ca.crl'), { force: true }), /ca\.crl cannot be read/],
    [
      'behind more than are read',
      () => write('ca.crl', ...Array<string>(65).fill(pem('X509 CRL', root.revocationList([])))),
      /crlFiles\[0\]: there are more than 64 revocation lists, those of ca\.crl included$/,
    ],
  ])('a revocation list %s', async (_, prepare, reason) => {
    prepare();
    const text = file(
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt], crlFiles: [ca.crl]}}}',
    );
    expect(await faults(text)).toEqual([expect.stringMatching(reason)]);
  });

  it('a pre-shared key for all peers', async () => {
    expect(await faults(file('', 'defaults: {authentication: {preSharedKey: {file: psk}}}\n'))).toEqual([
      expect.stringMatching(
        /^defaults\.authentication\.preSharedKey: unknown field; known here: certificate|^defaults\.authentication/,
      ),
      expect.stringMatching(/^defaults\.authentication/),
    ]);
  });

  it('a fault in defaults once, however many peers there are', async () => {
    rmSync(join(folder, 'tls.key'));
    const many = '- {name: node-c, address: 10.78.0.3, identity: {fqdn: c.test}}\n';
    expect(await faults(file('', `defaults: {authentication: {certificate: ${CERTIFICATE}}}\n`) + many)).toEqual([
      'defaults.authentication.certificate.keyFile: tls.key cannot be read: there is no such file',
    ]);
  });
});

describe('what is questionable about it is a warning', () => {
  it.each<readonly [string, () => void, RegExp]>([
    [
      'a key that every user may read',
      () => chmodSync(join(folder, 'tls.key'), 0o644),
      /keyFile: tls\.key may be read by every user: chmod 600 tls\.key$/,
    ],
    [
      'an expired certificate where there is no better one',
      () => show(root.node('node-a.mesh.test', { notAfterMs: TEST_TIME - 1_000 })),
      /certificateFile: tls\.crt: the certificate has expired at 2026-11-27 11:59:59Z; this/,
    ],
    [
      'a chain through an expired authority',
      () => {
        const middle = root.intermediate('Middle', { notAfterMs: TEST_TIME - 1_000 });
        show(middle.node('node-a.mesh.test'), middle);
      },
      /tls\.crt: the certificate of CN=Middle, O=Mesh has expired at 2026-11-27 11:59:59Z.*, so that no peer will believe it$/,
    ],
    [
      'certificates that do not belong to the chain',
      () => write('tls.crt', certificates(node, other)),
      /tls\.crt has 1 certificates that are not above the first one: they are not sent$/,
    ],
    [
      'an expired authority',
      () =>
        write('ca.crt', certificates(root, TestAuthority.root('Old', 'ecdsaP256', { notAfterMs: TEST_TIME - 1_000 }))),
      /ca\.crt: certificate 2 \(CN=Old, O=Mesh\) has expired/,
    ],
  ])('%s', async (_, prepare, warning) => {
    prepare();
    expect(lines((await config()).warnings)).toEqual([expect.stringMatching(warning)]);
  });

  it('a stale revocation list', async () => {
    write('ca.crl', pem('X509 CRL', root.revocationList([], { nextUpdateMs: TEST_TIME - 1_000 })));
    const text = file(
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt], crlFiles: [ca.crl]}}}',
    );
    expect(lines((await config(text)).warnings)).toEqual([
      expect.stringMatching(/was to be renewed by 2026-11-27 11:59:59Z: put the current list there$/),
    ]);
  });
});

describe('files that are read again', () => {
  it('give the same objects where nothing has changed', async () => {
    const before = await config(
      file(`{local: {certificate: {certificateFile: tls.crt, keyFile: tls.key}}, remote: {preSharedKey: {file: psk}}}`),
    );
    const after = await config(
      file(`{local: {certificate: {certificateFile: tls.crt, keyFile: tls.key}}, remote: {preSharedKey: {file: psk}}}`),
      before.credentials.sources,
    );
    const [one, two] = [before, after].map(({ connections }) => connections[0]);
    expect(two?.remoteAuthentication).toEqual(one?.remoteAuthentication);
    const secret = one?.remoteAuthentication.kind === 'preSharedKey' ? one.remoteAuthentication.secret : undefined;
    expect(two?.remoteAuthentication.kind === 'preSharedKey' && two.remoteAuthentication.secret === secret).toBe(true);
    expect(secret?.length).toBeGreaterThan(0);
  });

  it.each<readonly [string, () => void, RegExp]>([
    ['is missing', () => rmSync(join(folder, 'tls.crt')), /certificateFile: tls\.crt cannot be read/],
    ['is broken', () => write('tls.crt', 'x'), /certificateFile: tls\.crt has no certificate/],
    [
      'has no matching key',
      () => write('tls.key', keyPem(testKey('ecdsaP256'))),
      /keyFile: tls\.key is not the key of the certificate/,
    ],
    [
      'has expired',
      () => show(root.node('node-a.mesh.test', { notAfterMs: TEST_TIME - 1_000 })),
      /certificateFile: tls\.crt: the certificate has expired/,
    ],
    [
      'is not valid yet',
      () => show(root.node('node-a.mesh.test', { notBeforeMs: TEST_TIME + 1_000 })),
      /certificateFile: tls\.crt: the certificate is not valid before/,
    ],
    ['is for somebody else', () => show(root.node('node-x.mesh.test')), /does not fit node\.identity/],
  ])('leave the old certificate in use where the new one %s, and say so', async (_, change, text) => {
    const before = await config();
    change();
    const after = await config(file(), before.credentials.sources);
    expect(lines(after.heldBack)).toEqual([expect.stringMatching(text)]);
    expect(after.connections[0]?.localAuthentication).toEqual(before.connections[0]?.localAuthentication);
  });

  it('say from when a certificate is valid that is held back until then', async () => {
    const before = await config();
    expect(before.credentials.validFromMs).toBeUndefined();
    show(root.node('node-a.mesh.test', { notBeforeMs: TEST_TIME + 60_000 }));
    const early = await config(file(), before.credentials.sources);
    expect(early.credentials.validFromMs).toBe(TEST_TIME + 60_000);
    const due = await config(file(), early.credentials.sources, TEST_TIME + 60_000);
    expect(due.heldBack).toEqual([]);
    expect(due.credentials.validFromMs).toBeUndefined();
  });

  it('take over a new certificate, also in place of an expired one', async () => {
    const before = await config();
    const renewed = root.node('node-a.mesh.test', { notAfterMs: TEST_TIME + 90 * DAY });
    show(renewed);
    const after = await config(file(), before.credentials.sources, TEST_TIME + 40 * DAY);
    expect(after.heldBack).toEqual([]);
    expect(after.connections[0]?.localAuthentication).toMatchObject({ credentials: [{ certificates: [renewed.der] }] });
  });

  it('show an intermediate that was forgotten, and one that was renewed, without a new certificate', async () => {
    const middle = root.intermediate('Middle');
    const renewed = new TestAuthority(
      middle.subject,
      middle.key,
      root.issue({ subject: middle.subject, key: middle.key, authority: true, keyUsage: [5, 6] }).der,
    );
    const leaf = middle.node('node-a.mesh.test');
    show(leaf);
    let running = await config();
    for (const above of [middle, renewed]) {
      show(leaf, above);
      const after = await config(file(), running.credentials.sources);
      expect(chainIn(after)).toEqual([leaf.der, above.der]);
      expect(updatesBetween(running, after)).toEqual(['updateConnection']);
      running = after;
    }
    expect(updatesBetween(running, await config(file(), running.credentials.sources))).toEqual([]);
  });

  it('choose the certificate by its authority also where that was added to the trusted ones later', async () => {
    write('ca.crt', certificates(other));
    const before = await config();
    write('ca.crt', certificates(other, root));
    const after = await config(file(), before.credentials.sources);
    const local = after.connections[0]?.localAuthentication;
    expect(local?.kind === 'certificate' && local.credentials[0].authorities).toHaveLength(1);
  });

  it('take an intermediate of a certificate that is not valid yet, since it is the one in use', async () => {
    const middle = root.intermediate('Middle');
    const leaf = middle.node('node-a.mesh.test', { notBeforeMs: TEST_TIME + 60_000 });
    show(leaf);
    const before = await config();
    show(leaf, middle);
    const after = await config(file(), before.credentials.sources);
    expect([after.heldBack, chainIn(after)]).toEqual([[], [leaf.der, middle.der]]);
  });

  it('are refused under another identity while the certificate is for the one before, as at a start', async () => {
    const before = await config();
    const renamed = file().replace('node-a.mesh.test', 'renamed.mesh.test');
    const early = await load(renamed, before.credentials.sources);
    expect(early.ok ? [] : lines(early.error)).toEqual([expect.stringMatching(/does not fit node\.identity/)]);
    const certificate = root.node('renamed.mesh.test');
    show(certificate);
    expect(chainIn(await config(renamed, before.credentials.sources))).toEqual([certificate.der]);
  });

  it('leave the old bundle, revocation list and pre-shared key in use where the new ones are broken', async () => {
    write('ca.crl', pem('X509 CRL', root.revocationList([7n])));
    const text = file(
      '{local: {preSharedKey: {file: psk}}, remote: {certificate: {trust: {bundleFiles: [ca.crt], crlFiles: [ca.crl]}}}}',
    );
    const before = await config(text);
    write('ca.crl', 'x');
    write('ca.crt', certificates(root, node));
    write('psk');
    const after = await config(text, before.credentials.sources);
    expect(lines(after.heldBack)).toEqual([
      expect.stringMatching(/bundleFiles\[0\]/),
      expect.stringMatching(/crlFiles\[0\]/),
      expect.stringMatching(/preSharedKey\.file: psk is empty/),
    ]);
    expect(after.connections).toEqual(before.connections);
  });

  it('give a connection that comes back a pre-shared key that can be used, or tell why there is none', async () => {
    const text = file('{preSharedKey: {file: psk}}');
    const before = await config(text);
    for (const connection of before.connections) wipeSecrets(connection);
    const [again] = (await config(text, before.credentials.sources)).connections;
    expect(again && secretsOf(again).map(({ isWiped }) => isWiped)).toEqual([false, false]);
    write('psk');
    const broken = await load(text, before.credentials.sources);
    expect(broken.ok ? [] : lines(broken.error)).toEqual([expect.stringMatching(/preSharedKey\.file: psk is empty/)]);
  });

  it('hold back no more than the faulty one: other certificates are renewed', async () => {
    const second = other.node('node-a.mesh.test');
    write('second.crt', certificates(second));
    write('second.key', keyPem(second.key));
    const text = file(
      '{certificate: {certificateFile: tls.crt, keyFile: tls.key, alternatives: [{certificateFile: second.crt, keyFile: second.key}], trust: {bundleFiles: [ca.crt]}}}',
    );
    const before = await config(text);
    write('tls.crt', 'x');
    const renewed = other.node('node-a.mesh.test');
    write('second.crt', certificates(renewed));
    write('second.key', keyPem(renewed.key));
    const after = await config(text, before.credentials.sources);
    expect(after.heldBack).toHaveLength(1);
    expect(after.connections[0]?.localAuthentication).toMatchObject({
      credentials: [{ certificates: [node.der] }, { certificates: [renewed.der] }],
    });
  });
});
