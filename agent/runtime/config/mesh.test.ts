import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { identityText } from '../../ike/negotiation/identity.ts';
import { keyPem, pem, TEST_TIME, TestAuthority } from '../../pki/testing/authority.ts';
import { err } from '../../result.ts';
import type { PlannedConnection } from './agent-config.ts';
import { assignReqids } from './assign-reqids.ts';
import { configDifference } from './difference.ts';
import { formatFaults } from './fault.ts';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'ikemesh-mesh-'));

beforeAll(() => {
  const root = TestAuthority.root();
  const { der, key } = root.node('node-b.mesh.test');
  writeFileSync(join(folder, 'ca.crt'), pem('CERTIFICATE', root.der));
  writeFileSync(join(folder, 'tls.crt'), pem('CERTIFICATE', der));
  writeFileSync(join(folder, 'tls.key'), keyPem(key));
  writeFileSync(join(folder, 'psk'), 'a pre-shared key of some length');
  for (const name of ['tls.key', 'psk']) chmodSync(join(folder, name), 0o600);
});

afterAll(() => rmSync(folder, { recursive: true }));

const NODE = 'node: {name: node-b, identity: {fqdn: node-b.mesh.test}, addresses: [10.78.0.2, "fd00:78::2"]}\n';
const CERTIFICATE = '{certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt]}}}';
const NODES = ['a', 'b', 'c'].map(
  (letter, index) => `{name: node-${letter}, addresses: [10.78.0.${index + 1}, "fd00:78::${index + 1}"]}`,
);

interface MeshText {
  readonly nodes?: readonly string[];
  /** Further lines of `mesh`. */
  readonly more?: string;
  readonly authentication?: string;
  readonly node?: string;
  /** Further lines of the file. */
  readonly file?: string;
}

function meshText({ nodes = NODES, more = '  trustDomain: mesh.test\n', ...rest }: MeshText = {}): string {
  const { authentication = CERTIFICATE, node = NODE, file = '' } = rest;
  const proof = authentication === '' ? '' : `  authentication: ${authentication}\n`;
  return `${node}mesh:\n${more}${proof}  nodes:\n${nodes.map((each) => `  - ${each}\n`).join('')}${file}`;
}

async function load(text: string) {
  const path = join(folder, 'node.yaml');
  writeFileSync(path, text);
  return loadConfig(path, {
    provider: opensslProvider,
    resolveHost: async (host) => err(`${host} does not resolve`),
    clock: { wallMs: () => TEST_TIME },
  });
}

async function connections(text: string): Promise<readonly PlannedConnection[]> {
  const loaded = await load(text);
  if (!loaded.ok) throw new Error(formatFaults('f', loaded.error).join('\n'));
  return loaded.value.connections;
}

async function faults(text: string): Promise<readonly string[]> {
  const loaded = await load(text);
  return loaded.ok ? [] : formatFaults('f', loaded.error).map((line) => line.replace(/^f:\d+:\d+: /, ''));
}

describe('a mesh in the configuration file', () => {
  it('makes a peer of every other node for each family, who of the two begins being clear', async () => {
    const made = await connections(meshText());
    expect(
      made.map(({ name, localAddress, remoteAddress, remoteIdentity, initiation }) =>
        [name, localAddress, remoteAddress, identityText(remoteIdentity), initiation].join(' '),
      ),
    ).toEqual([
      'node-a-ipv4 10.78.0.2 10.78.0.1 node-a.mesh.test takeover',
      'node-a-ipv6 fd00:78::2 fd00:78::1 node-a.mesh.test takeover',
      'node-c-ipv4 10.78.0.2 10.78.0.3 node-c.mesh.test start',
      'node-c-ipv6 fd00:78::2 fd00:78::3 node-c.mesh.test start',
    ]);
  });

  it('protects everything between the addresses, with settings of its own before those of defaults', async () => {
    const more =
      '  trustDomain: mesh.test\n  enforcement: Permissive\n  liveness: {interval: 5s}\n  initiation: OnDemand\n';
    const file = 'defaults: {enforcement: Required, liveness: {timeout: 50s}, lifetimes: {ike: 8h}}\n';
    const [first] = await connections(meshText({ more, file }));
    expect(first).toMatchObject({
      initiation: 'onDemand',
      liveness: { intervalMs: 5_000, timeoutMs: 50_000 },
      ikeLifetimeMs: 8 * 3_600_000,
      children: [{ name: 'default', mode: 'transport', enforcement: 'Permissive' }],
    });
  });

  it('proves every node by its own certificate, read once; what is the same for all peers is there once', async () => {
    const [first, ...others] = await connections(meshText());
    for (const other of others) {
      expect(other.localAuthentication).toBe(first?.localAuthentication);
      expect(other.remoteAuthentication).toBe(first?.remoteAuthentication);
      expect(other.proposals).toBe(first?.proposals);
    }
  });

  it('may have identities of its own, the certificate of defaults, and peers beside it', async () => {
    const nodes = ['{name: x, addresses: [10.78.0.9], identity: {fqdn: other.name.test}}'];
    const outside =
      'peers:\n- {name: gateway, address: 192.0.2.1, localAddress: 10.78.0.2, identity: {fqdn: gw.test}, authentication: {preSharedKey: {file: psk}}}\n';
    const file = `defaults: {authentication: ${CERTIFICATE}}\n${outside}`;
    const made = await connections(meshText({ nodes, more: '', authentication: '', file }));
    expect(made.map(({ name, remoteIdentity }) => [name, identityText(remoteIdentity)])).toEqual([
      ['x-ipv4', 'other.name.test'],
      ['gateway', 'gw.test'],
    ]);
  });

  it('takes the address of this node from its entry where there are several', async () => {
    const node = 'node: {name: node-b, identity: {fqdn: node-b.mesh.test}, addresses: [10.78.0.2, 10.99.0.2]}\n';
    const nodes = ['{name: node-a, addresses: [10.78.0.1]}', '{name: node-b, addresses: [10.99.0.2]}'];
    expect((await connections(meshText({ node, nodes }))).map(({ localAddress }) => localAddress)).toEqual([
      '10.99.0.2',
    ]);
    expect(await faults(meshText({ node, nodes: nodes.slice(0, 1) }))).toEqual([
      'mesh.nodes: this node has several IPv4 addresses: list it here as well, with the one to use',
    ]);
  });

  it.each([
    [
      'the same name twice',
      { nodes: [...NODES, '{name: node-a, addresses: [10.78.0.9], identity: {fqdn: x.test}}'] },
      'mesh.nodes[3].name: "node-a" is that of node-a (node 1 of the list) already',
    ],
    [
      'an address twice',
      { nodes: [...NODES, '{name: node-d, addresses: [10.78.0.1]}'] },
      'mesh.nodes[3].addresses: 10.78.0.1 is that of node-a (node 1 of the list) already',
    ],
    [
      'an address of this node at another one',
      { nodes: ['{name: node-d, addresses: [10.78.0.2]}'] },
      'mesh.nodes[0].addresses: 10.78.0.2 is that of this node already',
    ],
    [
      'this node under an address that it does not have',
      { nodes: ['{name: node-b, addresses: [10.78.0.7]}'] },
      'mesh.nodes[0].addresses: 10.78.0.7 is not one of node.addresses (10.78.0.2, fd00:78::2), but the identity is that of this node',
    ],
    [
      'this node under another identity',
      { nodes: ['{name: node-b, addresses: [10.78.0.2], identity: {fqdn: x.test}}'] },
      'mesh.nodes[0].identity: is not that of this node, but the name is: correct one of them',
    ],
    [
      'no identity and nothing to make it of',
      { more: '', nodes: NODES.slice(0, 1) },
      'mesh.nodes[0].identity: is missing: write it, or mesh.trustDomain, of which and the name it is then made',
    ],
    ['no proof', { authentication: '' }, 'mesh.authentication: is missing: write certificate, here or in defaults'],
    [
      'nobody to begin',
      { more: '  trustDomain: mesh.test\n  initiation: Never\n' },
      'mesh.initiation: Never leaves nobody to begin: write Always or OnDemand',
    ],
    [
      'a domain that is none',
      { more: '  trustDomain: "mesh test"\n' },
      'mesh.trustDomain: "mesh test" is no domain, such as mesh.test',
    ],
    [
      'settings that contradict one another, told once',
      { more: '  trustDomain: mesh.test\n  liveness: {interval: 60s, timeout: 30s}\n' },
      'mesh.liveness: the timeout (30s) is shorter than the interval (60s)',
    ],
    [
      'a peer with a name that the mesh gives',
      {
        file: 'peers:\n- {name: node-a-ipv4, address: 192.0.2.1, localAddress: 10.78.0.2, identity: {fqdn: gw.test}, authentication: {preSharedKey: {file: psk}}}\n',
      },
      'peers[0].name: "node-a-ipv4" is taken by mesh.nodes[0]',
    ],
    [
      'a peer that is in the mesh already',
      {
        file: 'peers:\n- {name: again, address: 10.78.0.1, localAddress: 10.78.0.2, identity: {fqdn: again.test}, authentication: {preSharedKey: {file: psk}}}\n',
      },
      'peers[0]: 10.78.0.2 to 10.78.0.1 is the traffic of mesh.nodes[0] (node-a-ipv4, 10.78.0.2 to 10.78.0.1) already',
    ],
  ] as const)('is refused with %s', async (_, given, fault) => {
    expect(await faults(meshText(given))).toEqual([fault]);
  });

  it('does not take a pre-shared key, which would let each node pose as any other', async () => {
    const told = await faults(meshText({ authentication: '{preSharedKey: {file: psk}}' }));
    expect(told.join()).toMatch(/mesh\.authentication\.preSharedKey: .*unknown/);
  });

  it('of a thousand nodes changes the one that changed, and the new and the gone, when it is read again', async () => {
    const node = (number: number, address = `10.80.${number >> 8}.${number & 255}`): string =>
      `{name: n${number}, addresses: [${address}]}`;
    const before = Array.from({ length: 1_000 }, (_, number) => node(number + 1));
    const after = [...before.slice(0, 499), node(500, '10.81.0.1'), ...before.slice(500, 999), node(1_001)];
    const snapshot = { sas: [], policies: [] };
    const running = assignReqids(await connections(meshText({ nodes: before })), [], snapshot);
    const wanted = assignReqids(await connections(meshText({ nodes: after })), running, snapshot);
    const difference = configDifference(running, wanted);
    expect(
      difference.changes.map((command) => [
        command.kind,
        'connection' in command ? command.connection.name : 'name' in command && command.name,
      ]),
    ).toEqual([
      ['removeConnection', 'n1000-ipv4'],
      ['updateConnection', 'n500-ipv4'],
      ['addConnection', 'n1001-ipv4'],
    ]);
  });
});
