import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { secretsOf, wipeSecrets } from '../ike/negotiation/authentication.ts';
import type { ExemptionConfig } from '../ike/types.ts';
import { keyPem, pem, TEST_TIME, TestAuthority } from '../pki/testing/authority.ts';
import { err } from '../result.ts';
import { NO_SOURCES } from '../runtime/config/credential-sources.ts';
import { CredentialFiles } from './credential-files.ts';
import { type DesiredState, desiredState, type Wanted } from './desired-state.ts';
import { readNodeConfig } from './node-config.ts';
import type { KnownPeer } from './peer-roster.ts';

const root = TestAuthority.root();
let folder = '';
let files: CredentialFiles;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-desired-'));
  files = new CredentialFiles(folder);
  await writeCertificate();
});

afterEach(() => rmSync(folder, { recursive: true }));

async function writeCertificate(): Promise<void> {
  const { der, key } = root.node('node-a.mesh.internal');
  const utf8 = (text: string) => new TextEncoder().encode(text);
  await files.write(
    'certificate_ike-a',
    new Map([
      ['tls.crt', utf8(pem('CERTIFICATE', der))],
      ['tls.key', utf8(keyPem(key))],
      ['ca.crt', utf8(pem('CERTIFICATE', root.der))],
    ]),
  );
}

/** An entry of spec.peerings as the operator writes it. */
function entry(name: string, more: object = {}): object {
  return {
    name,
    priority: 0,
    addresses: ['10.0.0.1', 'fd00::1'],
    remote: { mesh: {} },
    traffic: {},
    enforcement: { outbound: 'Required', inbound: 'Required' },
    authentication: { certificate: { secretName: 'ike-a' } },
    ...more,
  };
}

function nodeConfigOf(...entries: readonly unknown[]): object {
  return {
    apiVersion: 'ikemesh.io/v1alpha1',
    kind: 'IPsecNodeConfig',
    metadata: { name: 'node-a', uid: 'u', generation: 3 },
    spec: {
      nodeUID: '00000000-0000-4000-8000-00000000000a',
      identity: { fqdn: 'node-a.mesh.internal' },
      podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'],
      peerings: entries,
    },
  };
}

function peerings(...entries: readonly object[]): readonly NodePeering[] {
  const read = readNodeConfig(nodeConfigOf(...entries));
  if (!read.ok) throw new Error(read.error);
  expect([...read.value.faults]).toEqual([]);
  return read.value.peerings;
}

function known(name: string, ...addresses: readonly string[]): KnownPeer {
  const uid = `00000000-0000-4000-8000-0000000000${name.charCodeAt(name.length - 1).toString(16)}`;
  const number = name.charCodeAt(name.length - 1) - 96;
  const podCIDRs = [`10.244.${number}.0/24`, `fd00:${number}::/64`];
  return {
    sinceMs: 0,
    peer: { uid, name, addresses: [...addresses], podCIDRs, identity: { fqdn: `${name}.mesh.internal` } },
  };
}

function desired(
  list: readonly NodePeering[],
  peers: readonly KnownPeer[],
  more: Partial<Wanted> = {},
): Promise<DesiredState> {
  const wanted: Wanted = {
    nodeName: 'node-a',
    nodeUid: '00000000-0000-4000-8000-00000000000a',
    fqdn: 'node-a.mesh.internal',
    podCidrs: ['10.244.1.0/24', 'fd00:1::/64'],
    peerings: list,
    peers: new Map(list.map(({ name }) => [name, peers])),
    standIns: false,
    ...more,
  };
  const services = {
    provider: opensslProvider,
    resolveHost: async (host: string) => err(`${host} cannot be resolved`),
    clock: { wallMs: () => TEST_TIME },
    files,
  };
  return desiredState(wanted, services, NO_SOURCES);
}

/** `node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required`, one a line. */
function texts({ config }: DesiredState): readonly string[] {
  return config.connections.map(({ name, localAddress, remoteAddress, children }) => {
    const each = children.map(
      (child) => `${child.name} ${child.mode} ${child.enforcement}/${child.inboundEnforcement}`,
    );
    return `${name} ${localAddress} ${remoteAddress}: ${each.join(', ')}`;
  });
}

describe('the connections of a node', () => {
  it('are one with every other node of a mesh for each family that both have', async () => {
    const peers = [known('node-a', '10.0.0.1'), known('node-b', '10.0.0.2', 'fd00::2'), known('node-c', '10.0.0.3')];
    expect(texts(await desired(peerings(entry('cluster')), peers))).toEqual([
      'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required',
      'node-b-ipv6 fd00::1 fd00::2: default transport Required/Required',
      'node-c-ipv4 10.0.0.1 10.0.0.3: default transport Required/Required',
    ]);
  });

  it('stay with a node whose Node is gone, and tell it apart', async () => {
    const left = known('node-c', '10.0.0.3');
    const made = await desired(peerings(entry('cluster')), [
      known('node-b', '10.0.0.2'),
      { ...left, peer: { ...left.peer, gone: true } },
    ]);
    expect(texts(made)).toHaveLength(2);
    expect([...made.memberships.values()].flat().map(({ peer, gone }) => [peer, gone])).toEqual([
      ['node-b', false],
      ['node-c', true],
    ]);
  });

  it('carry the packets of pods on one of them, whichever family the packets have', async () => {
    const peers = [known('node-b', '10.0.0.2', 'fd00::2')];
    const made = await desired(peerings(entry('cluster', { traffic: { scope: 'NodesAndPods' } })), peers);
    expect(
      made.config.connections.map(({ name, children }) => `${name}: ${children.map((child) => child.name).join(' ')}`),
    ).toEqual([
      'node-b-ipv4: default pods-ipv4 node-to-pods-ipv4 pods-to-node-ipv4 pods-ipv6 node-to-pods-ipv6 pods-to-node-ipv6',
      'node-b-ipv6: default',
    ]);
    expect(made.faults.size).toBe(0);
  });

  it('go step by step to Required: what is sent first, then what is received', async () => {
    const step = entry('cluster', { enforcement: { outbound: 'Required', inbound: 'Optional' } });
    expect(texts(await desired(peerings(step), [known('node-b', '10.0.0.2')]))).toEqual([
      'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Permissive',
    ]);
  });

  it('are by the peering of higher priority where two have the same nodes, then by the name that sorts first', async () => {
    const peers = [known('node-b', '10.0.0.2')];
    const soft = { enforcement: { outbound: 'Optional', inbound: 'Optional' } };
    const byName = await desired(peerings(entry('b', soft), entry('a')), peers);
    expect(texts(byName)).toEqual(['node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required']);
    const byPriority = await desired(peerings(entry('b', { ...soft, priority: 1 }), entry('a')), peers);
    expect(texts(byPriority)).toEqual(['node-b-ipv4 10.0.0.1 10.0.0.2: default transport Permissive/Permissive']);
    const apart = await desired(peerings(entry('a'), entry('b', { ...soft, traffic: { scope: 'Pods' } })), peers);
    expect(texts(apart)).toEqual([
      'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required, pods-ipv4 tunnel Permissive/Permissive, pods-ipv6 tunnel Permissive/Permissive',
    ]);
  });

  describe('of a peering that takes traffic over from a Required one', () => {
    const soft = { enforcement: { outbound: 'Optional', inbound: 'Optional' } };
    const isComing = { ...soft, finalEnforcement: 'Required' };

    it('stay Required on its way there, with the peers of both and no others', async () => {
      const list = peerings(entry('first'), entry('second', { ...isComing, priority: 1 }));
      const [both, one] = [known('node-b', '10.0.0.2'), known('node-c', '10.0.0.3')];
      const peers = new Map([
        ['first', [both]],
        ['second', [both, one]],
      ]);
      expect(texts(await desired(list, [], { peers }))).toEqual([
        'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required',
        'node-c-ipv4 10.0.0.1 10.0.0.3: default transport Permissive/Permissive',
      ]);
    });

    it('go back as far as that one does', async () => {
      const step = entry('first', { enforcement: { outbound: 'Required', inbound: 'Optional' } });
      const list = peerings(step, entry('second', { ...isComing, priority: 1 }));
      expect(texts(await desired(list, [known('node-b', '10.0.0.2')]))).toEqual([
        'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Permissive',
      ]);
    });

    it('allow plaintext where the one that wins is to be Permissive', async () => {
      const list = peerings(entry('first'), entry('second', { ...soft, finalEnforcement: 'Permissive', priority: 1 }));
      expect(texts(await desired(list, [known('node-b', '10.0.0.2')]))).toEqual([
        'node-b-ipv4 10.0.0.1 10.0.0.2: default transport Permissive/Permissive',
      ]);
    });

    it('send in plaintext only what that one sends so, as long as peers may know of that one alone', async () => {
      const exempt = (port: number) => ({
        protocol: 'TCP',
        ports: [{ from: port }],
        cidr: '10.0.0.2/32',
        direction: 'Outbound',
        stage: 'Send',
      });
      const list = peerings(
        entry('first', { traffic: { exempt: [exempt(22)] } }),
        entry('second', { ...isComing, priority: 1, traffic: { exempt: [exempt(22), exempt(80)] } }),
      );
      const { config } = await desired(list, [known('node-b', '10.0.0.2')]);
      const [child] = config.connections.flatMap(({ children }) => children);
      expect(child?.exempt?.map((each) => [each.remotePorts.from, each.isSent])).toEqual([
        [22, true],
        [80, false],
      ]);
    });

    it('stay Required with a gateway where their networks meet or lie within', async () => {
      const gateway = (address: string, ...networks: readonly string[]) => ({
        remote: {
          gateway: {
            address,
            identity: { fqdn: 'vpn.example.com' },
            selectors: networks.map((remote) => ({ local: 'NodeAddresses', remote })),
          },
        },
      });
      const list = peerings(
        entry('first', gateway('198.51.100.1', '192.0.2.0/25')),
        entry('second', {
          ...isComing,
          ...gateway('198.51.100.2', '192.0.2.0/25', '192.0.2.0/26', '192.0.2.0/24', '203.0.113.0/24'),
          priority: 1,
        }),
      );
      const { config } = await desired(list, []);
      const second = config.connections.find(({ name }) => name === 'gateway_second');
      const levels = second?.children.map(({ enforcement, inboundEnforcement }) => [enforcement, inboundEnforcement]);
      expect(levels).toEqual([
        ['Required', 'Required'],
        ['Required', 'Required'],
        ['Permissive', 'Permissive'],
        ['Permissive', 'Permissive'],
      ]);
    });
  });

  it('with a gateway have a Child SA for each selector, whose name stays when others come', async () => {
    const gateway = (...selectors: readonly object[]) => ({
      remote: { gateway: { address: '198.51.100.1', identity: { fqdn: 'vpn.example.com' }, selectors } },
    });
    const one = { local: 'NodeAddresses', remote: '192.0.2.0/24' };
    const pods = { local: 'PodCIDRs', remote: '192.0.2.0/24', protocol: 'TCP', ports: [{ from: 443 }] };
    const [before] = (await desired(peerings(entry('office', gateway(one))), [])).config.connections;
    const [after] = (await desired(peerings(entry('office', gateway(pods, one))), [])).config.connections;
    expect(after).toMatchObject({ name: 'gateway_office', remoteAddress: '198.51.100.1' });
    expect(after?.children.map(({ mode, local }) => [mode, local])).toMatchObject([
      ['tunnel', [{ prefix: { address: '10.244.1.0' }, protocol: 6 }]],
      ['tunnel', [{ prefix: { address: '10.0.0.1' }, protocol: 0 }]],
    ]);
    expect(after?.children.map(({ name }) => name)).toContain(before?.children[0]?.name);
  });

  it('leave out a peering whose Secret is not there, and keep the others', async () => {
    const other = entry('other', { authentication: { certificate: { secretName: 'ike-none' } } });
    const made = await desired(peerings(entry('cluster'), other), [known('node-b', '10.0.0.2')]);
    expect(texts(made)).toHaveLength(1);
    expect([...made.withoutCredentials]).toEqual(['other']);
    expect(made.faults.get('other')).toMatch(/there is no such file/);
  });

  it('keep the policies of a peering without its Secret where an earlier run has left some, but cannot come up', async () => {
    rmSync(join(folder, 'certificate_ike-a'));
    const made = await desired(peerings(entry('cluster')), [known('node-b', '10.0.0.2')], { standIns: true });
    expect(texts(made)).toEqual(['node-b-ipv4 10.0.0.1 10.0.0.2: default transport Required/Required']);
    expect(made.config.connections[0]).toMatchObject({
      initiation: 'respond',
      localAuthentication: { kind: 'preSharedKey' },
    });
    expect([...made.withoutCredentials]).toEqual(['cluster']);
  });

  it('come up by another peering with the same node although one that comes before it has no Secret', async () => {
    const pods = { traffic: { scope: 'Pods' }, authentication: { certificate: { secretName: 'ike-other' } } };
    const list = peerings(entry('cluster'), entry('pods', { ...pods, priority: 10 }));
    const made = await desired(list, [known('node-b', '10.0.0.2')], { standIns: true });
    expect([...made.withoutCredentials]).toEqual(['pods']);
    expect(texts(made)).toEqual([
      'node-b-ipv4 10.0.0.1 10.0.0.2: pods-ipv4 tunnel Required/Required, pods-ipv6 tunnel Required/Required, default transport Required/Required',
    ]);
    expect(made.config.connections[0]?.localAuthentication.kind).toBe('certificate');
    expect(made.config.connections[0]?.initiation).not.toBe('respond');
  });

  it('stay with other nodes when one of a peering without its Secret is left', async () => {
    rmSync(join(folder, 'certificate_ike-a'));
    const peers = [known('node-b', '10.0.0.2'), known('node-c', '10.0.0.3')];
    const made = await desired(peerings(entry('cluster')), peers, { standIns: true });
    const [left, other] = made.config.connections;
    if (left === undefined || other === undefined) throw new Error('too few connections');
    wipeSecrets(left);
    expect(secretsOf(other).map(({ isWiped }) => isWiped)).toEqual([false, false]);
  });

  it('are none with a node that claims the address of another, which is told', async () => {
    const made = await desired(peerings(entry('cluster')), [known('node-b', '10.0.0.2'), known('node-c', '10.0.0.2')]);
    expect(texts(made)).toHaveLength(1);
    expect(made.conflicts).toMatchObject([
      { peering: 'cluster', peer: 'node-c', text: expect.stringContaining('10.0.0.2') },
    ]);
  });

  it('leave in plaintext what others may begin towards this node as well as what it may begin itself', async () => {
    const api = { protocol: 'TCP', ports: [{ from: 6_443 }], direction: 'Outbound', stage: 'Send' };
    const exempt = async (cidr: string) => {
      const list = peerings(entry('cluster', { traffic: { exempt: [{ ...api, cidr }] } }));
      const made = await desired(list, [known('node-b', '10.0.0.2', 'fd00::2')]);
      expect(made.faults.size).toBe(0);
      return made.config.connections.flatMap(({ name, children }) =>
        children.flatMap((child) => (child.exempt ?? []).map((each) => [name, portsOf(each), each.isSent])),
      );
    };
    const [out, back] = [
      { local: 'any', remote: 6_443 },
      { local: 6_443, remote: 'any' },
    ];
    expect(await exempt('10.0.0.2/32')).toEqual([['node-b-ipv4', out, true]]);
    expect(await exempt('10.0.0.1/32')).toEqual([['node-b-ipv4', back, true]]);
    expect(await exempt('fd00::/64')).toEqual([
      ['node-b-ipv6', out, true],
      ['node-b-ipv6', back, true],
    ]);
    expect(await exempt('10.9.0.0/24')).toEqual([]);
  });

  it('with a gateway leave in plaintext what goes to it, and nothing of its side', async () => {
    const gateway = {
      address: '198.51.100.1',
      identity: { fqdn: 'vpn.example.com' },
      selectors: [{ local: 'NodeAddresses', remote: '192.0.2.0/24' }],
    };
    const exempt = [
      { protocol: 'TCP', ports: [{ from: 22 }], cidr: '192.0.2.7/32', direction: 'Inbound', stage: 'Accept' },
    ];
    const made = await desired(peerings(entry('office', { remote: { gateway }, traffic: { exempt } })), []);
    expect(made.config.connections[0]?.children[0]?.exempt).toMatchObject([
      { remote: { address: '192.0.2.7', length: 32 }, localPorts: { from: 22, to: 22 }, isSent: false },
    ]);
  });

  it('of pods leave in plaintext what is exempt of their addresses, in the family that it is of', async () => {
    const exempt = [{ protocol: 'UDP', ports: [{ from: 53 }], cidr: 'fd00:2::/64', direction: 'Outbound' }];
    const list = peerings(entry('cluster', { traffic: { scope: 'NodesAndPods', exempt } }));
    const made = await desired(list, [known('node-b', '10.0.0.2', 'fd00::2')]);
    expect(
      made.config.connections.flatMap(({ children }) =>
        children.filter((child) => child.exempt).map(({ name }) => name),
      ),
    ).toEqual(['pods-ipv6', 'node-to-pods-ipv6']);
  });

  it('are none where what is exempt takes too many policies, which is told', async () => {
    const ports = Array.from({ length: 16 }, (_, index) => ({ from: 4_000 * index + 1, to: 4_000 * index + 3_998 }));
    const exempt = [{ protocol: 'TCP', ports, cidr: '10.0.0.0/24' }];
    const made = await desired(peerings(entry('cluster', { traffic: { exempt } })), [known('node-b', '10.0.0.2')]);
    expect(made.faults.get('cluster')).toMatch(/takes more than 256 kernel selectors.*widen the ranges/);
  });
});

function portsOf({ localPorts, remotePorts }: ExemptionConfig): object {
  const text = ({ from, to }: { from: number; to: number }) => (from === 0 && to === 65_535 ? 'any' : from);
  return { local: text(localPorts), remote: text(remotePorts) };
}

describe('an IPsecNodeConfig of another version', () => {
  it('is carried out but for a peering that cannot be read, which is named', () => {
    const read = readNodeConfig(nodeConfigOf(entry('good'), entry('bad', { remote: { cloud: {} } })));
    if (!read.ok) throw new Error(read.error);
    expect(read.value.peerings.map(({ name }) => name)).toEqual(['good']);
    expect([...read.value.faults.keys()]).toEqual(['bad']);
    expect([...read.value.listed]).toEqual(['good', 'bad']);
  });

  it('is carried out without the fields that are not known, which are named', () => {
    const read = readNodeConfig(nodeConfigOf(entry('cluster', { colour: 'blue' })));
    if (!read.ok) throw new Error(read.error);
    expect(read.value.peerings).toHaveLength(1);
    expect(read.value.unknown).toEqual(['spec.peerings[cluster].colour']);
  });

  it('changes nothing where it has no list of peerings at all', () => {
    expect(readNodeConfig({ ...nodeConfigOf(), spec: {} })).toMatchObject({ ok: false });
  });
});
