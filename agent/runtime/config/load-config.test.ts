import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { nobleProvider } from '../../crypto/noble/noble-provider.ts';
import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { secretsOf } from '../../ike/negotiation/authentication.ts';
import { err, ok } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { AgentConfig } from './agent-config.ts';
import { formatFault, formatFaults } from './fault.ts';
import { type ConfigServices, loadConfig } from './load-config.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-config-'));
  mkdirSync(join(folder, 'secrets'));
  secret('psk', 'correct horse battery staple\n');
  secret('other', 'a second key of some length');
  secret('empty', '\n');
  secret('huge', 'x'.repeat(5_000));
});

afterAll(() => rmSync(folder, { recursive: true }));

function secret(name: string, content: string): void {
  writeFileSync(join(folder, 'secrets', name), content, { mode: 0o600 });
}

const services: ConfigServices = {
  clock: { wallMs: () => 0 },
  provider: opensslProvider,
  resolveHost: async (host) =>
    host === 'peer.example.com' ? ok(['2001:db8::9', '192.0.2.9'] as IpAddress[]) : err(`${host} does not resolve`),
};

async function load(text: string, given: ConfigServices = services) {
  const file = join(folder, 'node.yaml');
  writeFileSync(file, text);
  return loadConfig(file, given);
}

async function config(text: string): Promise<AgentConfig> {
  const loaded = await load(text);
  if (!loaded.ok) throw new Error(loaded.error.map((fault) => formatFault('node.yaml', fault)).join('\n'));
  return loaded.value;
}

async function faults(text: string, given: ConfigServices = services): Promise<readonly string[]> {
  const loaded = await load(text, given);
  return loaded.ok ? [] : formatFaults('f', loaded.error).map((line) => line.replaceAll(`${folder}/`, ''));
}

const NODE = `node:
  name: node-a
  identity: {fqdn: node-a.mesh.test}
  addresses: [10.78.0.1, "fd00:78::1"]
`;

/** The smallest file with one peer; `more` are further lines of the peer. */
function withPeer(more = '', address = '10.78.0.2'): string {
  return `${NODE}peers:\n${peer('node-b', address, more)}`;
}

function peer(name: string, address: string, more = ''): string {
  return `- name: ${name}
  address: ${address}
  identity: {fqdn: ${name}.mesh.test}
  authentication: {preSharedKey: {file: secrets/psk}}
${more}`;
}

function withChild(child: string): string {
  return withPeer(`  children:\n  - ${child}\n`);
}

describe('a configuration file', () => {
  it('needs no more than who we are and who the peer is', async () => {
    const { nodeName, addresses, connections, warnings } = await config(withPeer());
    expect({ nodeName, addresses, warnings }).toEqual({
      nodeName: 'node-a',
      addresses: ['10.78.0.1', 'fd00:78::1'],
      warnings: [],
    });
    expect(connections).toHaveLength(1);
    const [connection] = connections;
    expect(connection).toMatchObject({
      name: 'node-b',
      localAddress: '10.78.0.1',
      remoteAddress: '10.78.0.2',
      remotePort: 500,
      initiation: 'start',
      natTraversal: 'Auto',
      liveness: { intervalMs: 30_000, timeoutMs: 120_000 },
      ikeLifetimeMs: 14_400_000,
      localAuthentication: { kind: 'preSharedKey' },
      remoteAuthentication: { kind: 'preSharedKey' },
    });
    expect(connection?.children).toMatchObject([
      {
        name: 'default',
        mode: 'transport',
        enforcement: 'Required',
        replayWindow: 1_024,
        local: [{ protocol: 0, fromPort: 0, toPort: 65_535 }],
        remote: [{ protocol: 0, fromPort: 0, toPort: 65_535 }],
        lifetime: { softSeconds: 3_600, hardSeconds: 7_200, softBytes: 68_719_476_736 },
      },
    ]);
    expect(connection?.children[0]?.local[0]).not.toHaveProperty('prefix');
  });

  it('serves no metrics unless it says where, and then with those of single peers unless it says otherwise', async () => {
    expect((await config(withPeer())).metrics).toBeUndefined();
    const listen = { address: '10.78.0.1', port: 9_917 };
    const served = await config(`metrics: {listen: "10.78.0.1:9917"}\n${withPeer()}`);
    expect(served.metrics).toEqual({ listen, withPeers: true });
    const without = await config(`metrics: {listen: "10.78.0.1:9917", peers: false}\n${withPeer()}`);
    expect(without.metrics).toEqual({ listen, withPeers: false });
    const page = await config(`metrics: {listen: "10.78.0.1:9917", statusPage: true}\n${withPeer()}`);
    expect(page.metrics).toEqual({ listen, withPeers: true, statusPage: true });
  });

  it('has the segments of a peer clamped as the defaults say, but where it says Disabled', async () => {
    const clampOf = async (text: string) => (await config(text)).connections[0]?.mssClamp;
    expect(await clampOf(withPeer())).toBeUndefined();
    expect(await clampOf(withPeer('  mssClamp: Auto\n'))).toBe('auto');
    expect(await clampOf(`defaults: {mssClamp: 1360}\n${withPeer()}`)).toBe(1_360);
    expect(await clampOf(`defaults: {mssClamp: 1360}\n${withPeer('  mssClamp: Disabled\n')}`)).toBeUndefined();
  });

  it('gives the pre-shared key without the newline that editors add', async () => {
    const { connections } = await config(withPeer());
    const texts = connections.flatMap(secretsOf).map((secret) => secret.use((psk) => new TextDecoder().decode(psk)));
    expect(new Set(texts)).toEqual(new Set(['correct horse battery staple']));
  });

  it('reads everything that may be said of a peer', async () => {
    const { connections } = await config(`${NODE}peers:
- name: gateway
  address: "fd00:78::2"
  identity: {email: vpn@example.com}
  authentication: {preSharedKey: {file: secrets/psk}}
  children:
  - name: https
    mode: Tunnel
    enforcement: Permissive
    selectors:
    - {local: 10.1.0.0/24, remote: 10.2.0.0/24, protocol: TCP, ports: [{from: 443}, {from: 8000, to: 8080}]}
  proposals: {ike: [aes256gcm16-prfsha384-ecp384], esp: [aes256gcm16-esn]}
  lifetimes: {ike: 1h30m, child: 10m, childBytes: 1Gi, maxAgentOutage: 5m, reauthentication: 24h}
  liveness: {interval: 10s, timeout: 1m}
  natTraversal: Always
  mssClamp: 1360
  initiation: OnDemand
  fragmentSize: 800
  childless: Prefer
`);
    expect(connections[0]).toMatchObject({
      localAddress: 'fd00:78::1',
      remoteIdentity: { idType: 3 },
      initiation: 'onDemand',
      natTraversal: 'Always',
      mssClamp: 1_360,
      ikeLifetimeMs: 5_400_000,
      reauthenticationMs: 86_400_000,
      childless: true,
      fragmentBytes: 800,
      liveness: { intervalMs: 10_000, timeoutMs: 60_000 },
      proposals: [{ algorithms: [{ id: 20, keyBits: 256 }, { id: 6 }, { id: 20 }] }],
    });
    const anyPort = { protocol: 6, fromPort: 0, toPort: 65_535 };
    expect(connections[0]?.children[0]).toMatchObject({
      mode: 'tunnel',
      enforcement: 'Permissive',
      local: [{ ...anyPort, prefix: { address: '10.1.0.0', length: 24 } }],
      remote: [
        { prefix: { address: '10.2.0.0', length: 24 }, protocol: 6, fromPort: 443, toPort: 443 },
        { prefix: { address: '10.2.0.0', length: 24 }, protocol: 6, fromPort: 8_000, toPort: 8_080 },
      ],
      lifetime: { softSeconds: 600, hardSeconds: 900, softBytes: 2 ** 30 },
    });
  });

  it('fills what a peer leaves out from the defaults', async () => {
    const { connections } = await config(`${NODE}defaults:
  enforcement: Permissive
  liveness: {interval: 5s, timeout: 20s}
  lifetimes: {ike: 1h, child: 5m}
  proposals: {esp: [aes128gcm16-noesn]}
  natTraversal: Never
  initiation: Never
peers:
${peer('node-b', '10.78.0.2', '  liveness: {timeout: 40s}\n  enforcement: Required\n')}${peer('node-c', '10.78.0.3')}`);
    expect(connections).toMatchObject([
      {
        initiation: 'respond',
        natTraversal: 'Never',
        liveness: { intervalMs: 5_000, timeoutMs: 40_000 },
        children: [{ enforcement: 'Required', lifetime: { softSeconds: 300 } }],
      },
      {
        liveness: { intervalMs: 5_000, timeoutMs: 20_000 },
        children: [{ enforcement: 'Permissive', proposals: [{ algorithms: [{ id: 20, keyBits: 128 }, { id: 0 }] }] }],
      },
    ]);
  });

  it('lets the lower identity begin and the higher one take over', async () => {
    const { connections } = await config(
      `${NODE}peers:\n${peer('node-0', '10.78.0.3')}${peer('node-b', '10.78.0.2')}${peer('roaming', 'any', '  localAddress: 10.78.0.1\n')}`,
    );
    expect(connections.map(({ name, initiation }) => [name, initiation])).toEqual([
      ['node-0', 'takeover'],
      ['node-b', 'start'],
      ['roaming', 'respond'],
    ]);
  });

  it('resolves a host name to an address of a family that this node has', async () => {
    const { connections } = await config(withPeer('  localAddress: 10.78.0.1\n', 'peer.example.com'));
    expect(connections[0]?.remoteAddress).toBe('192.0.2.9');
  });

  describe('with a peer whose host name does not resolve', () => {
    const GATEWAY = 'nowhere.example.com';
    const OFFICE = '  children: [{name: office, selectors: [{local: 10.1.0.0/24, remote: 10.2.0.0/24}]}]\n';

    it('has all other peers, and says which one it is and why', async () => {
      const read = await config(`${withPeer()}${peer('gateway', GATEWAY)}`);
      expect(read.connections[0]).toMatchObject({ name: 'node-b', remoteAddress: '10.78.0.2' });
      expect(read.unresolved).toMatchObject([{ name: 'gateway', host: GATEWAY, isOpen: true }]);
      expect(formatFaults('f', read.unresolved?.map(({ fault }) => fault) ?? [])).toEqual([
        'f:11:12: peers[1].address: nowhere.example.com does not resolve',
      ]);
      expect(read.leavesUnwanted).toBe(true);
      expect((await config(withPeer('', 'peer.example.com'))).leavesUnwanted).toBeUndefined();
    });

    it('has one in its place that waits for it, with the networks that its children name', async () => {
      const { connections, unresolved } = await config(withPeer(OFFICE, GATEWAY));
      expect(connections).toMatchObject([
        { name: 'node-b', remoteAddress: 'any', localAddress: '10.78.0.1', initiation: 'respond' },
      ]);
      expect(connections[0]?.children).toMatchObject([{ name: 'office', enforcement: 'Required' }]);
      expect(unresolved).toMatchObject([{ isOpen: false }]);
    });

    it('counts one that is blocked by nobody as open only where anything of it is Required', async () => {
      const { unresolved } = await config(withPeer('  enforcement: Permissive\n', GATEWAY));
      expect(unresolved).toMatchObject([{ isOpen: false }]);
    });

    it('leaves out what cannot be told without the address, or from another peer', async () => {
      const whole = '  children: [{name: all, mode: Transport, selectors: [{remote: 203.0.113.9}]}]\n';
      const two = await config(
        `${withPeer(whole, GATEWAY)}${peer('same', '10.78.0.2', OFFICE)}${peer('late', GATEWAY, OFFICE)}`,
      );
      expect(two.connections.map(({ name }) => name)).toEqual(['same']);
      expect(two.unresolved?.map(({ name, isOpen }) => [name, isOpen])).toEqual([
        ['node-b', true],
        ['late', true],
      ]);
    });

    it('is refused where the peer is wrong wherever it may be', async () => {
      const wrong = withPeer('  localAddress: 10.78.0.9\n', GATEWAY).replace('node-b.mesh.test', 'node-a.mesh.test');
      expect(await faults(wrong)).toEqual([
        'f:8:13: peers[0].identity: is that of this node: a peer needs one of its own',
        expect.stringMatching(/^f:10:17: peers\[0\]\.localAddress: 10\.78\.0\.9 is not one of node\.addresses/),
      ]);
    });
  });

  it.each([
    ['email: a@b', 3, '614062'],
    ['ip: 192.0.2.7', 1, 'c0000207'],
    ['ip: "2001:db8::1"', 5, '20010db8000000000000000000000001'],
    ['dn: "CN=b, C=DE"', 9, '3019310b3009060355040613024445310a300806035504030c0162'],
    ['keyId: tunnel-1', 11, '74756e6e656c2d31'],
    ['keyId: "0x00ff"', 11, '00ff'],
  ])('encodes the identity %s as IKE has it', async (identity, type, bytes) => {
    const { connections } = await config(withPeer().replace('fqdn: node-b.mesh.test', identity));
    const { idType = 0, data = [] } = connections[0]?.remoteIdentity ?? {};
    expect([idType, Buffer.from(data).toString('hex')]).toEqual([type, bytes]);
  });

  it('warns of a key that others may read and of one that can be guessed', async () => {
    secret('open', 'tiny');
    chmodSync(join(folder, 'secrets', 'open'), 0o644);
    const { warnings } = await config(withPeer().replace('secrets/psk', 'secrets/open'));
    expect(formatFaults('f', warnings).map((line) => line.replaceAll(`${folder}/`, ''))).toEqual([
      'f:9:41: peers[0].authentication.preSharedKey.file: secrets/open may be read by every user: chmod 600 secrets/open',
      'f:9:41: peers[0].authentication.preSharedKey.file: secrets/open has 4 bytes, which can be guessed: use 32 random ones (openssl rand -base64 32)',
    ]);
    expect(JSON.stringify(warnings)).not.toContain('tiny');
  });

  it('reaches a link-local address from that of the same interface, and by no tunnel', async () => {
    const linked = NODE.replace('10.78.0.1', 'fe80::1%eth0').replace('fd00:78::1', 'fe80::1%eth1');
    const text = `${linked}peers:\n${peer('node-b', 'fe80::2%eth1')}`;
    expect((await config(text)).connections).toMatchObject([
      { localAddress: 'fe80::1%eth1', remoteAddress: 'fe80::2%eth1', children: [{ mode: 'transport' }] },
    ]);
    const tunnel = '  children:\n  - {name: t, selectors: [{remote: 10.2.0.0/16, local: 10.1.0.0/16}]}\n';
    expect(await faults(text + tunnel)).toEqual([expect.stringContaining('a tunnel cannot end at a link-local')]);
    expect(await faults(text.replace('2%eth1', '2%eth2'))).toEqual([
      'f:7:12: peers[0].address: fe80::2 is on the link of eth2, but node.addresses has no link-local address there',
    ]);
    const other = text.replace('2%eth1', '2%eth1\n  localAddress: fe80::1%eth0');
    expect(await faults(other)).toEqual([
      'f:8:17: peers[0].localAddress: fe80::1%eth0 cannot reach fe80::2%eth1: link-local addresses reach those of the same interface only',
    ]);
    expect(await faults(text.replace('fe80::2%eth1', '2001:db8::2'))).toEqual([
      'f:7:12: peers[0].address: 2001:db8::2 is a global address, but node.addresses has only link-local ones of its family',
    ]);
  });

  it('refuses two links whose packets the kernel could not tell apart on the way in', async () => {
    const linked = NODE.replace('10.78.0.1', 'fe80::1%eth0').replace('fd00:78::1', 'fe80::1%eth1');
    const text = `${linked}peers:\n${peer('node-b', 'fe80::2%eth0')}${peer('node-c', 'fe80::2%eth1')}`;
    expect(await faults(text)).toEqual([expect.stringContaining('fe80::1 to fe80::2 is the traffic of peers[0]')]);
    expect(await faults(text.replace('fe80::1%eth1', 'fe80::3%eth1'))).toEqual([]);
  });

  it('leaves out of its own proposals what the provider lacks', async () => {
    const loaded = await load(withPeer(), { ...services, provider: nobleProvider });
    const ids = loaded.ok ? loaded.value.connections[0]?.proposals.flatMap(({ algorithms }) => algorithms) : [];
    expect(ids?.some(({ type, id }) => type === 4 && id === 14)).toBe(false);
    expect(ids?.some(({ type, id }) => type === 4 && id === 31)).toBe(true);
  });

  it('accepts a Child SA that lies within the traffic of another', async () => {
    const tunnel = (local: string, remote: string) =>
      `  children:\n  - {name: t, mode: Tunnel, selectors: [{local: ${local}, remote: ${remote}}]}\n`;
    const text = `${NODE}peers:\n${peer('node-b', '10.78.0.2', tunnel('10.1.0.0/16', '10.2.0.0/16'))}${peer(
      'node-c',
      '10.78.0.3',
      tunnel('10.1.7.0/24', '10.2.7.0/24'),
    )}`;
    expect(await faults(text)).toEqual([]);
  });

  it('tells all faults at once, in the order of the file', async () => {
    const text = `node:
  name: node a
  identity: {fqdn: node-a.mesh.test}
  addresses: [10.78.0.1]
peers:
- name: node-b
  adress: 10.78.0.2
  identity: {}
  authentication: {preSharedKey: {file: secrets/nowhere}}
- name: node-c
  address: 10.78.0.3
  identity: {fqdn: node-c.mesh.test}
  authentication: {preSharedKey: {file: secrets/nowhere}}
  lifetimes: {ike: 1d}
`;
    expect(await faults(text)).toEqual([
      'f:2:9: node.name: "node a" is no name: use 1 to 63 letters, digits, ".", "_" and "-", a letter or digit first and last',
      'f:6:3: peers[0].address: is missing',
      'f:7:11: peers[0].adress: unknown field; did you mean address?',
      'f:8:13: peers[0].identity: needs exactly one of fqdn, email, ip, dn and keyId; it has none',
      'f:14:20: peers[1].lifetimes.ike: "1d" is not a duration: write hours, minutes and seconds, such as 4h, 1h30m or 30s',
    ]);
  });

  it('prints one line for each fault whatever the file says', async () => {
    const lines = await faults(withPeer().replace('address: 10.78.0.2', 'address: "10.78\\n\\e[2J"'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
  });

  it('stops printing after a hundred faults and says how many more there are', async () => {
    const bad = Array.from({ length: 150 }, (_, index) => `- {name: n${index}, bogus: 1}\n`).join('');
    const lines = await faults(`${NODE}peers:\n${bad}`);
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toMatch(/^f: \d+ more faults$/);
  });

  it.each([
    ['an empty file', '', ['f: is empty: write node and peers']],
    ['something else than a mapping', '- node\n', ['f:1:1: must be a mapping of fields, but is a list']],
    ['broken YAML', 'node: [1, 2\n', [/^f:2:1: Flow sequence/]],
    ['a field written twice', 'node: 1\nnode: 2\n', [/^f:2:1: Map keys must be unique/]],
    ['a YAML tag', 'node: !secret x\n', [/^f:1:7: Unresolved tag/]],
    ['endless nesting', `node: ${'['.repeat(50_000)}`, [/^f:1:\d+: is nested too deeply$/]],
    ['a bomb of aliases', aliasBomb(), [/not usable YAML/]],
    ['no node', 'peers: []\n', ['f:1:1: node: is missing']],
    ['metrics nowhere', `metrics: {listen: 9917}\n${withPeer()}`, [/^f:1:19: metrics[.]listen: /]],
    [
      'metrics at a name',
      `metrics: {listen: "localhost:9917"}\n${withPeer()}`,
      [/^f:1:19: metrics[.]listen: "localhost:9917" is not ADDRESS:PORT/],
    ],
    ['an unknown field at the top', `${NODE}peer: []\n`, ['f:5:7: peer: unknown field; did you mean peers?']],
    [
      'an unknown field like nothing known',
      withPeer('  colour: red\n'),
      [/^f:10:11: peers\[0\]\.colour: unknown field; known here: name, address, localAddress, identity, /],
    ],
    [
      'a nested unknown field',
      withPeer('  liveness: {intervall: 3s}\n'),
      ['f:10:25: peers[0].liveness.intervall: unknown field; did you mean interval?'],
    ],
    [
      'packets that no host need take in',
      withPeer('  fragmentSize: 500\n'),
      [/^f:10:17: peers\[0\]\.fragmentSize: .*576/],
    ],
    [
      'segments that no host need take in',
      withPeer('  mssClamp: 500\n'),
      [/^f:10:13: peers\[0\]\.mssClamp: 500 is no MSS: write Disabled, Auto or 536 to 65495/],
    ],
    ['a clamp in other words', withPeer('  mssClamp: auto\n'), [/mssClamp: "auto" is no MSS/]],
    ['peers that are no list', `${NODE}peers: {a: 1}\n`, ['f:5:8: peers: must be a list, but is a mapping']],
    [
      'text where a mapping belongs',
      `${NODE}peers: [node-b]\n`,
      ['f:5:9: peers[0]: must be a mapping of fields, but is the text "node-b"'],
    ],
    [
      'a node without addresses',
      NODE.replace(/addresses.*/, 'addresses: []'),
      ['f:4:14: node.addresses: must not be empty'],
    ],
    [
      'an address that is none',
      NODE.replace('10.78.0.1', '10.78.0.256'),
      ['f:4:15: node.addresses[0]: "10.78.0.256" is not an IP address'],
    ],
    [
      'a link-local address',
      NODE.replace('fd00:78::1', 'fe80::1'),
      [
        'f:4:26: node.addresses[1]: fe80::1 is a link-local address, which means another host on every link: write the interface behind it, such as fe80::1%eth0, or use a global one',
      ],
    ],
    [
      'a zone behind a global address',
      NODE.replace('fd00:78::1', 'fd00:78::1%eth0'),
      ['f:4:26: node.addresses[1]: "fd00:78::1%eth0" is not an IP address'],
    ],
    [
      'a loopback address',
      NODE.replace('10.78.0.1', '127.0.0.1'),
      [/^f:4:15: node\.addresses\[0\]: 127\.0\.0\.1 is a loopback address/],
    ],
    ['a multicast address', NODE.replace('10.78.0.1', '224.0.0.1'), [/is not the address of one host/]],
    [
      'an address written twice',
      NODE.replace('"fd00:78::1"', '10.78.0.1'),
      ['f:4:26: node.addresses[1]: 10.78.0.1 is there twice'],
    ],
    [
      'two kinds of identity',
      NODE.replace('{fqdn: node-a.mesh.test}', '{fqdn: a.test, ip: 192.0.2.1}'),
      ['f:3:13: node.identity: needs exactly one of fqdn, email, ip, dn and keyId; it has fqdn and ip'],
    ],
    [
      'a number as identity',
      NODE.replace('fqdn: node-a.mesh.test', 'keyId: 17'),
      ['f:3:21: node.identity.keyId: must be text, but is the number 17'],
    ],
    [
      'an identity that is no name',
      NODE.replace('node-a.mesh.test', 'node_a!'),
      ['f:3:13: node.identity: fqdn "node_a!" is not a host name, such as node-a.mesh.test'],
    ],
    [
      'our own identity',
      withPeer().replace('node-b.mesh.test', 'node-a.mesh.test'),
      ['f:8:13: peers[0].identity: is that of this node: a peer needs one of its own'],
    ],
    ['our own address', withPeer('', '10.78.0.1'), ['f:7:12: peers[0].address: 10.78.0.1 is an address of this node']],
    [
      'a peer’s name that is taken',
      `${withPeer()}${peer('node-b', '10.78.0.3')}`,
      ['f:10:9: peers[1].name: "node-b" is taken by peers[0]'],
    ],
    [
      'an address with a typing error',
      withPeer('', '10.78.0.300'),
      ['f:7:12: peers[0].address: "10.78.0.300" is neither an IP address nor a host name nor "any"'],
    ],
    [
      'a local address that is not ours',
      withPeer('  localAddress: 10.78.0.7\n'),
      [
        'f:10:17: peers[0].localAddress: 10.78.0.7 is not one of node.addresses (10.78.0.1, fd00:78::1): add it there or use one of those',
      ],
    ],
    [
      'a local address of the other family',
      withPeer('  localAddress: "fd00:78::1"\n'),
      ['f:10:17: peers[0].localAddress: fd00:78::1 cannot reach 10.78.0.2: both must be IPv4 or both IPv6'],
    ],
    [
      'a peer of a family that this node lacks',
      withPeer('', '"fd00:78::2"').replace(', "fd00:78::1"', ''),
      ['f:7:12: peers[0].address: fd00:78::2 is IPv6, but node.addresses has none of that family'],
    ],
    [
      'two addresses to choose from',
      withPeer().replace('"fd00:78::1"', '10.79.0.1'),
      ['f:6:3: peers[0].localAddress: is missing: choose one of 10.78.0.1, 10.79.0.1'],
    ],
    [
      'no secret',
      withPeer().replace(/ {2}authentication.*\n/, ''),
      ['f:6:3: peers[0].authentication: is missing: write preSharedKey or certificate, here or for all in defaults'],
    ],
    [
      'a secret that does not exist',
      withPeer().replace('secrets/psk', 'secrets/nowhere'),
      ['f:9:41: peers[0].authentication.preSharedKey.file: secrets/nowhere cannot be read: there is no such file'],
    ],
    [
      'an empty secret',
      withPeer().replace('secrets/psk', 'secrets/empty'),
      ['f:9:41: peers[0].authentication.preSharedKey.file: secrets/empty is empty: write the pre-shared key into it'],
    ],
    [
      'a secret that is too long',
      withPeer().replace('secrets/psk', 'secrets/huge'),
      [/has 5000 bytes; a pre-shared key has at most 4096/],
    ],
    ['a folder as secret', withPeer().replace('secrets/psk', 'secrets'), [/preSharedKey\.file: secrets is not a file/]],
    [
      'a prefix with host bits',
      withChild('{name: t, mode: Tunnel, selectors: [{local: 10.1.0.1/24, remote: 10.2.0.0/24}]}'),
      [
        'f:11:49: peers[0].children[0].selectors[0].local: "10.1.0.1/24" has bits set behind its prefix; the network is 10.1.0.0/24',
      ],
    ],
    [
      'a prefix length that is none',
      withChild('{name: t, selectors: [{remote: 10.2.0.0/33}]}'),
      [/selectors\[0\]\.remote: the prefix length "33" is not a number from 0 to 32/],
    ],
    [
      'selectors of two families',
      withChild('{name: t, mode: Tunnel, selectors: [{local: 10.1.0.0/24, remote: "fd01::/64"}]}'),
      ['f:11:41: peers[0].children[0].selectors[0]: mixes families: local is 10.1.0.0/24, remote is fd01::/64'],
    ],
    [
      'a network in transport mode',
      withChild('{name: t, mode: Transport, selectors: [{local: 10.1.0.0/24}]}'),
      [
        'f:11:52: peers[0].children[0].selectors[0].local: transport mode protects only 10.78.0.1 itself, not 10.1.0.0/24: leave it out, or use mode: Tunnel',
      ],
    ],
    [
      'ports without protocol',
      withChild('{name: t, selectors: [{ports: [{from: 443}]}]}'),
      [
        'f:11:35: peers[0].children[0].selectors[0].ports: needs a protocol beside it: write protocol: TCP, UDP or SCTP',
      ],
    ],
    [
      'ports of a protocol that has none',
      withChild('{name: t, selectors: [{protocol: ICMP, ports: [{from: 8}]}]}'),
      [/the protocol has no ports/],
    ],
    [
      'a port that is none',
      withChild('{name: t, selectors: [{protocol: TCP, ports: [{from: 70000}]}]}'),
      [/ports\[0\]\.from: is above 65535/],
    ],
    [
      'a port range upside down',
      withChild('{name: t, selectors: [{protocol: TCP, ports: [{from: 90, to: 80}]}]}'),
      [/ports\[0\]\.to: is below from \(90\)/],
    ],
    [
      'a protocol with a typing error',
      withChild('{name: t, selectors: [{protocol: TPC}]}'),
      [/"TPC" is no protocol known here; did you mean TCP\?/],
    ],
    [
      'a mode with a typing error',
      withChild('{name: t, mode: tunel}'),
      [
        'f:11:21: peers[0].children[0].mode: must be Transport or Tunnel, but is the text "tunel"; did you mean Tunnel?',
      ],
    ],
    [
      'pairs that are not every local with every remote',
      withChild(
        '{name: t, mode: Tunnel, selectors: [{local: 10.1.0.0/24, remote: 10.2.0.0/24}, {local: 10.3.0.0/24, remote: 10.4.0.0/24}]}',
      ),
      [/children\[0\]: lists 10\.1\.0\.0\/24 and 10\.4\.0\.0\/24, but not the two together/],
    ],
    [
      'a protocol beside all protocols',
      withChild('{name: t, selectors: [{}, {protocol: TCP}]}'),
      [/mixes selectors with and without protocol/],
    ],
    [
      'port ranges that the kernel would need hundreds of policies for',
      withChild(
        '{name: t, selectors: [{protocol: TCP, ports: [{from: 1, to: 65534}], localPorts: [{from: 1, to: 65534}]}]}',
      ),
      [/^f:11:5: peers\[0\]\.children\[0\]: takes more than 128 kernel policies/],
    ],
    [
      'children of one name',
      withPeer(
        '  children:\n  - {name: t, selectors: [{protocol: TCP}]}\n  - {name: t, selectors: [{protocol: UDP}]}\n',
      ),
      ['f:12:12: peers[0].children[1].name: "t" is taken by children[0]'],
    ],
    [
      'children with the same traffic',
      withPeer('  children:\n  - {name: a}\n  - {name: b}\n'),
      [
        'f:12:5: peers[0].children[1]: 10.78.0.1 to 10.78.0.2 is the traffic of peers[0].children[0] (node-b, 10.78.0.1 to 10.78.0.2) already',
      ],
    ],
    [
      'an unknown algorithm',
      withPeer('  proposals: {ike: [aes999gcm16-prfsha384-x25519]}\n'),
      [
        'f:10:21: peers[0].proposals.ike[0]: "aes999gcm16-prfsha384-x25519" has "aes999gcm16", which is no algorithm known here',
      ],
    ],
    [
      'a proposal without key exchange',
      withPeer('  proposals: {ike: [aes256gcm16-prfsha384]}\n'),
      [/names no key exchange/],
    ],
    ['an empty list of proposals', withPeer('  proposals: {esp: []}\n'), [/proposals\.esp: must not be empty/]],
    [
      'a lifetime out of range',
      withPeer('  lifetimes: {child: 1s}\n'),
      ['f:10:22: peers[0].lifetimes.child: 1s is out of range: write 10s to 604800s'],
    ],
    ['a byte count that is none', withPeer('  lifetimes: {childBytes: 64GB}\n'), [/"64GB" is not a number of bytes/]],
    [
      'a liveness timeout below its interval',
      withPeer('  liveness: {interval: 60s, timeout: 30s}\n'),
      ['f:10:13: peers[0].liveness: the timeout (30s) is shorter than the interval (60s)'],
    ],
    [
      'on-demand initiation towards anywhere',
      withPeer('  localAddress: 10.78.0.1\n  initiation: OnDemand\n', 'any'),
      [/initiation: OnDemand needs to know where the peer is/],
    ],
  ] as const)('refuses %s', async (_what, text, expected) => {
    const lines = await faults(text);
    expect(lines).toEqual(expected.map(matching));
  });

  it('refuses two peers that nobody could tell apart', async () => {
    const twin = peer('twin', '10.78.0.2').replace('twin.mesh.test', 'node-b.mesh.test');
    expect(await faults(`${withPeer()}${twin}`)).toEqual([
      'f:10:3: peers[1]: has the identity and the addresses of peers[0] (node-b), so that nobody could tell them apart: make them one peer with several children',
      'f:10:3: peers[1]: 10.78.0.1 to 10.78.0.2 is the traffic of peers[0] (node-b, 10.78.0.1 to 10.78.0.2) already',
    ]);
  });

  it('refuses traffic of two peers where neither is the narrower', async () => {
    const tunnel = (local: string, remote: string) =>
      `  children:\n  - {name: t, mode: Tunnel, selectors: [{local: ${local}, remote: ${remote}}]}\n`;
    const text = `${NODE}peers:\n${peer('node-b', '10.78.0.2', tunnel('10.1.0.0/16', '10.2.3.0/24'))}${peer(
      'node-c',
      '10.78.0.3',
      tunnel('10.1.1.0/24', '10.2.0.0/16'),
    )}`;
    expect(await faults(text)).toEqual([
      'f:17:41: peers[1].children[0].selectors[0]: 10.1.1.0/24 to 10.2.0.0/16 and peers[0].children[0].selectors[0] (node-b, 10.1.0.0/16 to 10.2.3.0/24) share packets and neither is the narrower: change one so that it lies within the other or apart from it',
    ]);
  });

  it('refuses an algorithm that the chosen provider lacks', async () => {
    const text = withPeer('  proposals: {ike: [aes256-sha256-modp2048]}\n');
    expect(await faults(text, { ...services, provider: nobleProvider })).toEqual([
      'f:10:21: peers[0].proposals.ike[0]: "aes256-sha256-modp2048" has modp2048, which the noble provider lacks: leave it out, or start the agent with IKEMESH_CRYPTO=openssl',
    ]);
    expect(await faults(text)).toEqual([]);
  });

  it('refuses a file that is missing, too large or no text', async () => {
    const reason = async (file: string) => {
      const loaded = await loadConfig(join(folder, file), services);
      return loaded.ok ? '' : loaded.error.map((fault) => fault.text).join();
    };
    writeFileSync(join(folder, 'large.yaml'), ' '.repeat(1_048_577));
    writeFileSync(join(folder, 'binary.yaml'), Uint8Array.of(0x6e, 0xff, 0xfe));
    expect(await reason('none.yaml')).toBe('cannot be read: there is no such file');
    expect(await reason('large.yaml')).toBe('has 1048577 bytes; a configuration has at most 1048576');
    expect(await reason('binary.yaml')).toBe('is not UTF-8 text');
    expect(await reason('secrets')).toBe('cannot be read: it is a folder');
  });

  it('checks the overlaps of thousands of peers in a moment', async () => {
    const many = Array.from(
      { length: 2_000 },
      (_, index) =>
        `- {name: n${index}, address: 10.9.${index >> 8}.${index & 255}, identity: {fqdn: n${index}.m}, authentication: {preSharedKey: {file: secrets/psk}}}\n`,
    );
    expect((await config(`${NODE}peers:\n${many.join('')}`)).connections).toHaveLength(2_000);
  });
});

function matching(expected: string | RegExp): unknown {
  return expected instanceof RegExp ? expect.stringMatching(expected) : expected;
}

function aliasBomb(): string {
  const levels = ['a: &a [1,1,1,1,1,1,1,1,1,1]'];
  for (let index = 1; index < 8; index += 1) {
    const [previous, name] = [String.fromCharCode(96 + index), String.fromCharCode(97 + index)];
    levels.push(`${name}: &${name} [${Array(10).fill(`*${previous}`).join(',')}]`);
  }
  return `${levels.join('\n')}\n`;
}
