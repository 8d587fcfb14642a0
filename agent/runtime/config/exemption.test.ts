import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { ownIndex } from '../../dataplane/ownership.ts';
import type { ExemptionConfig } from '../../ike/types.ts';
import { keyPem, pem, TEST_TIME, TestAuthority } from '../../pki/testing/authority.ts';
import { err } from '../../result.ts';
import type { AgentConfig } from './agent-config.ts';
import { assignReqids } from './assign-reqids.ts';
import { formatFaults } from './fault.ts';
import { loadConfig } from './load-config.ts';
import { planText } from './plan-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'ikemesh-exempt-'));

beforeAll(() => {
  const root = TestAuthority.root();
  const { der, key } = root.node('node-a.mesh.test');
  for (const [name, content] of [
    ['ca.crt', pem('CERTIFICATE', root.der)],
    ['tls.crt', pem('CERTIFICATE', der)],
    ['tls.key', keyPem(key)],
    ['psk', 'a pre-shared key of some length'],
  ] as const)
    writeFileSync(join(folder, name), content, { mode: 0o600 });
});

afterAll(() => rmSync(folder, { recursive: true }));

const NODE = 'node: {name: node-a, identity: {fqdn: node-a.mesh.test}, addresses: [10.78.0.1]}\n';
const SSH = '{protocol: TCP, ports: [{from: 22}], cidr: 10.78.0.0/24}';

function withPeer(exempt: string, more = ''): string {
  return `${NODE}${more}peers:
- name: node-b
  address: 10.78.0.2
  identity: {fqdn: node-b.mesh.test}
  authentication: {preSharedKey: {file: psk}}
${exempt === '' ? '' : `  exempt: [${exempt}]\n`}`;
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

async function config(text: string): Promise<AgentConfig> {
  const loaded = await load(text);
  if (!loaded.ok) throw new Error(formatFaults('f', loaded.error).join('\n'));
  return loaded.value;
}

async function exempt(text: string): Promise<readonly string[]> {
  const { connections } = await config(text);
  return connections.flatMap(({ children }) => children.flatMap((child) => (child.exempt ?? []).map(brief)));
}

async function faults(exemption: string): Promise<readonly string[]> {
  const loaded = await load(withPeer(exemption));
  return loaded.ok ? [] : formatFaults('f', loaded.error);
}

/** `10.78.0.0/24:22 6`, with the place of the ports, and whether it is sent. */
function brief({ local, remote, protocol, localPorts, remotePorts, isSent }: ExemptionConfig): string {
  const side = (prefix: ExemptionConfig['local'], { from, to }: ExemptionConfig['localPorts']) => {
    const ports = from === 0 && to === 65_535 ? '' : `:${from}-${to}`;
    return `${prefix === undefined ? 'own' : `${prefix.address}/${prefix.length}`}${ports}`;
  };
  return `${side(local, localPorts)} to ${side(remote, remotePorts)} ${protocol}${isSent ? '' : ' received only'}`;
}

describe('what a configuration file exempts', () => {
  it('is of both directions, and sent, unless it says otherwise', async () => {
    expect(await exempt(withPeer(SSH))).toEqual(['own to 10.78.0.0/24:22-22 6', 'own:22-22 to 10.78.0.0/24 6']);
    expect(await exempt(withPeer(SSH.replace(/}$/, ', direction: Outbound, stage: Accept}')))).toEqual([
      'own to 10.78.0.0/24:22-22 6 received only',
    ]);
    expect(await exempt(withPeer(SSH.replace(/}$/, ', direction: Inbound}')))).toEqual(['own:22-22 to 10.78.0.0/24 6']);
  });

  it('is that of defaults for a peer that says nothing, and its own for one that does', async () => {
    const defaults = `defaults: {exempt: [${SSH}]}\n`;
    expect(await exempt(withPeer('', defaults))).toHaveLength(2);
    expect(await exempt(withPeer('{protocol: ICMP, cidr: 10.78.0.2}', defaults))).toEqual(['own to 10.78.0.2/32 1']);
  });

  it('concerns the peers whose traffic it meets, and no others', async () => {
    expect(await exempt(withPeer('{cidr: 10.79.0.0/16}'))).toEqual([]);
    expect(await exempt(withPeer('{cidr: "fd00::/8"}'))).toEqual([]);
  });

  it('of a mesh is at every node what any of the others may begin', async () => {
    const mesh = `mesh:
  trustDomain: mesh.test
  authentication: {certificate: {certificateFile: tls.crt, keyFile: tls.key, trust: {bundleFiles: [ca.crt]}}}
  exempt: [{protocol: TCP, ports: [{from: 6443}], cidr: 10.78.0.1/32, direction: Outbound}]
  nodes:
  - {name: node-a, addresses: [10.78.0.1]}
  - {name: node-b, addresses: [10.78.0.2]}
`;
    expect(await exempt(`${NODE}${mesh}`)).toEqual(['10.78.0.1/32:6443-6443 to own 6']);
  });

  it.each([
    ['{protocol: TCP}', [/exempt\[0\]\.cidr: is missing$/]],
    ['{ports: [{from: 22}], cidr: 10.0.0.0/8}', [/exempt\[0\]\.ports: needs a protocol beside it/]],
    ['{protocol: ICMP, ports: [{from: 22}], cidr: 10.0.0.0/8}', [/the protocol has no ports/]],
    ['{protocol: TCP, cidr: 0.0.0.0/0}', [/exempts all addresses with all ports: narrow it/]],
    ['{cidr: 10.0.0.0/8, port: 22}', [/unknown field; did you mean ports\?/]],
    ['{cidr: 10.0.0.0/8, stage: Sent}', [/must be Accept or Send.*did you mean Send\?/]],
    [`{cidr: 10.0.0.0/8, direction: outbound}`, [/did you mean Outbound\?/]],
    [Array(225).fill(SSH).join(', '), [/has more than 224 entries/]],
  ])('is refused where it says too much or too little: %s', async (text, expected) => {
    const said = await faults(text);
    expect(said).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(said[index]).toMatch(pattern);
  });

  it('is refused where it takes too many policies', async () => {
    const ports = Array.from(
      { length: 16 },
      (_, index) => `{from: ${4_000 * index + 1}, to: ${4_000 * index + 3_998}}`,
    );
    expect(await faults(`{protocol: TCP, cidr: 10.78.0.0/24, ports: [${ports.join(', ')}]}`)).toEqual([
      expect.stringMatching(/peers\[0\]: exempts what takes more than 256 kernel selectors.*widen the ranges/),
    ]);
  });

  it('is told by --check, with its policies, and what of them the kernel has', async () => {
    const { connections } = await config(withPeer(SSH.replace(/}$/, ', direction: Outbound}')));
    const source = { address: connections[0]?.localAddress, length: 32 } as never;
    const lines = planText({
      nodeName: 'node-a',
      addresses: [],
      connections: assignReqids(connections, [], { sas: [], policies: [] }),
      bypasses: [],
      watched: [],
      kernel: {
        sas: [],
        policies: [
          {
            direction: 'out',
            selector: {
              source,
              destination: { address: '10.78.0.2', length: 32 } as never,
              protocol: 6,
              sourcePort: { value: 0, mask: 0 },
              destinationPort: { value: 22, mask: 0xffff },
            },
            priority: 1,
            index: ownIndex(9, 'out'),
            action: 'allow',
            ours: true,
          },
        ],
      },
    }).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '    in plaintext TCP/22 10.78.0.0/24 Outbound, sent and received',
        '+ in policy 10.78.0.2/32 to 10.78.0.1/32 protocol 6 ports 22 to any: in plaintext',
        '= out policy 10.78.0.1/32 to 10.78.0.2/32 protocol 6 ports any to 22: in plaintext',
      ]),
    );
  });
});
