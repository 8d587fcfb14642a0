import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { ip } from '../dataplane/testing/builders.ts';
import { systemClock, systemTimers } from '../runtime/clock-system.ts';
import { createLog } from '../runtime/log/logger.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import { keptConnections } from './kept-connections.ts';
import { ManifestObjects } from './manifest-objects.ts';
import type { NodeStatus } from './node-status.ts';
import type { ObjectQuery, ObjectSource } from './object-source.ts';
import { runByManifests } from './testing/manifest-agent.ts';
import { NodeManifests, nodeConfig, peerSlice, testPeering } from './testing/node-manifests.ts';

const OTHER_NODE = ip('192.0.2.2');
const BEHIND_GATEWAY = ip('10.9.0.7');
const BEHIND_ANOTHER = ip('10.8.0.7');
const waited = { timeout: 10_000, interval: 20 };

const required = { enforcement: { outbound: 'Required', inbound: 'Required' } };
const mesh = { ...testPeering, ...required };
const gateway = {
  address: '198.51.100.1',
  identity: { ip: '198.51.100.1' },
  selectors: [{ local: 'NodeAddresses', remote: '10.9.0.0/24' }],
};
const outside = { ...mesh, name: 'outside', remote: { gateway } };
/** Something else to do, without which no agent would start. */
const another = {
  ...outside,
  name: 'another',
  remote: {
    gateway: { ...gateway, address: '198.51.100.2', selectors: [{ local: 'NodeAddresses', remote: '10.8.0.0/24' }] },
  },
};
const IN_ANOTHER_FAMILY = { ...gateway, address: '2001:db8::1' };

let folder = '';
let manifests: NodeManifests;
let kernel: MemoryDataplane;
const running: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-restart-'));
  mkdirSync(join(folder, 'in'));
  manifests = new NodeManifests(join(folder, 'in'));
  manifests.writeSlice();
  manifests.writeSecret();
  kernel = new MemoryDataplane({ clock: systemClock });
});

afterEach(async () => {
  for (const end of running.splice(0)) await end();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function configure(...peerings: readonly object[]): void {
  manifests.write('ipsecnodeconfig-a.yaml', nodeConfig('a', peerings));
}

/** Runs an agent until it has carried out what the manifests say. */
async function startAgent(kept?: ConfigurationFile) {
  const { agent, told, end } = await runByManifests(manifests, { folder, kernel }, kept === undefined ? {} : { kept });
  running.push(end);
  await vi.waitFor(() => expect(told).not.toEqual([]), waited);
  return { agent, end, latest: () => told.at(-1) };
}

/** An earlier agent has done this and is gone. */
function ranWith(...peerings: readonly object[]): Promise<void> {
  return ranKeeping(undefined, ...peerings);
}

async function ranKeeping(kept: ConfigurationFile | undefined, ...peerings: readonly object[]): Promise<void> {
  configure(...peerings);
  const { end } = await startAgent(kept);
  running.splice(0);
  await end();
}

/** The manifests as they are told by somebody who says nothing of one kind. */
async function manifestsWithout(resource: ObjectQuery['resource']): Promise<ObjectSource> {
  const log = createLog('json', 'info', { write: () => {} }, false);
  const parts = { folder: manifests.folder, namespace: 'ikemesh-nodes', timers: systemTimers, log };
  const opened = await ManifestObjects.open(parts);
  if (!opened.ok) throw new Error(opened.error.join('\n'));
  running.push(async () => opened.value.close());
  return {
    name: 'a folder',
    certificates: '',
    follow: (query, listener) =>
      query.resource === resource ? { stop: () => {} } : opened.value.follow(query, listener),
  };
}

/** So much time passes at once. */
function skip(ms: number): void {
  const monotonicMs = systemClock.monotonicMs.bind(systemClock);
  vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => monotonicMs() + ms);
}

/** As long passes as an agent waits for whoever says what it is to do. */
function skipPatience(): void {
  skip(10_000);
}

function fateTo(destination: IpAddress): string {
  const source = ip('192.0.2.1');
  const ports = { protocol: 6, sourcePort: 1_000, destinationPort: 80 };
  return kernel.outbound({ kind: 'plain', source, destination, ...ports, payloadBytes: 100 }).kind;
}

function policiesTo(network: string) {
  const dumped = kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value.policies.filter(({ selector }) => selector.destination.address === network);
}

function programmed(status: NodeStatus | undefined) {
  return status?.conditions?.find(({ type }) => type === 'Programmed');
}

describe('what is Required and cannot be told or carried out after a restart', () => {
  it.each<[string, IpAddress, () => void, string, RegExp]>([
    [
      'a peering with a value that this version does not know',
      BEHIND_GATEWAY,
      () => configure(mesh, { ...outside, initiation: 'OnceInAWhile' }),
      'PeeringUnreadable',
      /peering outside: initiation: /,
    ],
    [
      'a peering with an algorithm that this version does not know',
      BEHIND_GATEWAY,
      () => configure(mesh, { ...outside, proposals: { ike: ['aes256gcm16-prfsha384-mlkem9999'] } }),
      'PeeringUnreadable',
      /peering outside: proposals/,
    ],
    [
      'a gateway at an address of a family that the node lacks',
      BEHIND_GATEWAY,
      () => configure(mesh, { ...outside, remote: { gateway: IN_ANOTHER_FAMILY } }),
      'PeeringFaulty',
      /peering outside: /,
    ],
    [
      'a mesh without any slice',
      OTHER_NODE,
      () => {
        rmSync(join(manifests.folder, 'slice.yaml'));
        configure(mesh, another);
      },
      'PeeringFaulty',
      /peering cluster: there is no IPsecPeerSlice of it/,
    ],
    [
      'a peer whose entry this version cannot read',
      OTHER_NODE,
      () => {
        manifests.write('slice.yaml', peerSlice({ b: { identity: { uri: 'spiffe://b' } } }));
        configure(mesh, another);
      },
      'PeersUnreadable',
      /peering cluster, b: this version cannot read/,
    ],
  ])('is not sent in plaintext, and is told of: %s', async (_, destination, change, reason, message) => {
    await ranWith(mesh, outside, another);
    expect(fateTo(destination)).not.toBe('plain');
    change();
    const { agent, latest } = await startAgent();
    expect(agent.status()?.peers).not.toEqual([]);
    expect(fateTo(destination)).not.toBe('plain');
    expect(programmed(latest())).toMatchObject({ status: 'False', reason, message: expect.stringMatching(message) });
  });

  it('goes once nothing is in the way of telling what is wanted, and it is not', async () => {
    await ranWith(mesh, outside, another);
    const unreadable = { ...another, initiation: 'OnceInAWhile' };
    configure(mesh, unreadable);
    const { agent } = await startAgent();
    expect([fateTo(BEHIND_GATEWAY), fateTo(BEHIND_ANOTHER)]).not.toContain('plain');
    configure(mesh);
    await vi.waitFor(
      () => expect([fateTo(BEHIND_GATEWAY), fateTo(BEHIND_ANOTHER)]).toEqual(['plain', 'plain']),
      waited,
    );
    expect(agent.status()?.peers).toHaveLength(1);
  });

  it('is taken over as it is once it can be read', async () => {
    await ranWith(mesh, outside);
    const before = policiesTo('10.9.0.0');
    configure(mesh, { ...outside, initiation: 'OnceInAWhile' });
    const { latest } = await startAgent();
    configure(mesh, outside);
    await vi.waitFor(() => expect(programmed(latest())).toMatchObject({ status: 'True' }), waited);
    expect(policiesTo('10.9.0.0')).toEqual(before);
  });

  it('keeps nothing of what the agent itself has been told to remove', async () => {
    await ranWith(mesh, outside, another);
    const unreadable = { ...outside, initiation: 'OnceInAWhile' };
    configure(mesh, unreadable, another);
    await startAgent();
    configure(mesh, unreadable);
    await vi.waitFor(() => expect(fateTo(BEHIND_ANOTHER)).toBe('plain'), waited);
    expect(fateTo(BEHIND_GATEWAY)).not.toBe('plain');
  });
});

describe('the kept configuration after a restart', () => {
  it('has what it had of a peering that is not carried out, so that `agent block` blocks it', async () => {
    const file = new ConfigurationFile(folder, 'a');
    await ranKeeping(file, mesh, outside, another);
    configure(mesh, { ...outside, initiation: 'OnceInAWhile' }, { ...another, remote: { gateway: IN_ANOTHER_FAMILY } });
    await startAgent(new ConfigurationFile(folder, 'a'));
    const kept = await keptConnections(folder, opensslProvider);
    if (!kept.ok) throw new Error(kept.error);
    expect([...kept.value.peerings].map(([name, connections]) => [name, connections.length]).toSorted()).toEqual([
      ['another', 1],
      ['cluster', 1],
      ['outside', 1],
    ]);
  });

  it.each<[string, () => void]>([
    ['there are no slices', () => rmSync(join(manifests.folder, 'slice.yaml'))],
    ['they cannot be read', () => manifests.write('slice.yaml', peerSlice({ b: { identity: { uri: 'spiffe://b' } } }))],
  ])('says who the peers of a mesh are while %s', async (_, change) => {
    await ranKeeping(new ConfigurationFile(folder, 'a'), mesh);
    change();
    const { agent } = await startAgent(new ConfigurationFile(folder, 'a'));
    expect(agent.status()?.peers.map(({ name }) => name)).toEqual(['b-ipv4']);
  });

  it('says who the peers of a mesh are, and goes on to, while nobody answers for its slices', async () => {
    await ranKeeping(new ConfigurationFile(folder, 'a'), mesh, outside);
    const source = await manifestsWithout('ipsecpeerslices');
    const { agent, end } = await runByManifests(
      manifests,
      { folder, kernel },
      { kept: new ConfigurationFile(folder, 'a'), source },
    );
    running.push(end);
    skipPatience();
    await vi.waitFor(() => expect(agent.status()).toBeDefined(), waited);
    expect(
      agent
        .status()
        ?.peers.map(({ name }) => name)
        .toSorted(),
    ).toEqual(['b-ipv4', 'gateway_outside']);
    const kept = await keptConnections(folder, opensslProvider);
    expect(kept.ok && kept.value.peerings.get('cluster')).toHaveLength(1);
  });

  it('keeps what it had of a peering that this version cannot read while nobody says anything', async () => {
    const file = new ConfigurationFile(folder, 'a');
    await ranKeeping(file, mesh, outside);
    const unreadable = { ...outside, initiation: 'OnceInAWhile' };
    const read = await file.read();
    if (!read.ok || read.value === undefined) throw new Error('nothing was kept');
    await file.write({ ...read.value, nodeConfig: nodeConfig('a', [mesh, unreadable]) });
    const source = await manifestsWithout('ipsecnodeconfigs');
    const { agent, end } = await runByManifests(
      manifests,
      { folder, kernel },
      { kept: new ConfigurationFile(folder, 'a'), source },
    );
    running.push(end);
    skipPatience();
    await vi.waitFor(() => expect(agent.status()).toBeDefined(), waited);
    const kept = await new ConfigurationFile(folder, 'a').read();
    expect(kept).toMatchObject({ ok: true, value: { nodeConfig: { spec: { peerings: [{}, unreadable] } } } });
  });

  it('is told of once where this version cannot read it, while nobody says anything', async () => {
    const file = new ConfigurationFile(folder, 'a');
    await file.write({ nodeName: 'a', nodeConfig: { spec: {} }, peers: {} });
    const lines: string[] = [];
    const { agent, end } = await runByManifests(
      manifests,
      { folder, kernel },
      {
        kept: file,
        source: await manifestsWithout('ipsecnodeconfigs'),
        log: createLog('json', 'info', { write: (line) => void lines.push(line) }, false),
      },
    );
    running.push(end);
    skipPatience();
    await vi.waitFor(() => expect(lines).not.toEqual([]), waited);
    for (let look = 0; look < 3; look += 1) {
      agent.wake();
      // That it tells nothing more has no sign of its own.
      await sleep(300);
    }
    expect(lines).toEqual([expect.stringMatching(/configuration.json is of another version of the agent/)]);
  });

  it('says who the peers of a mesh are for 30 s while its slices come back one by one', async () => {
    const c = {
      uid: '00000000-0000-4000-8000-00000000000c',
      name: 'c',
      addresses: ['192.0.2.3'],
      identity: { fqdn: 'c.mesh.internal' },
    };
    const other = { ...peerSlice({ b: c }), metadata: { name: 'cluster-1' } };
    manifests.write('other-slice.yaml', other);
    await ranKeeping(new ConfigurationFile(folder, 'a'), mesh);
    rmSync(join(manifests.folder, 'slice.yaml'));
    const { agent } = await startAgent(new ConfigurationFile(folder, 'a'));
    const peers = () => agent.status()?.peers.map(({ name }) => name);
    expect(peers()?.toSorted()).toEqual(['b-ipv4', 'c-ipv4']);
    expect(fateTo(OTHER_NODE)).not.toBe('plain');
    skip(30_000);
    agent.wake();
    await vi.waitFor(() => expect(peers()).toEqual(['c-ipv4']), waited);
    expect(fateTo(OTHER_NODE)).toBe('plain');
  });

  it('brings back no peer whose address is that of another one in the slices', async () => {
    await ranKeeping(new ConfigurationFile(folder, 'a'), mesh, outside);
    manifests.write('slice.yaml', peerSlice({ b: { uid: '00000000-0000-4000-8000-00000000000c', name: 'c' } }));
    const { agent } = await startAgent(new ConfigurationFile(folder, 'a'));
    expect(
      agent
        .status()
        ?.peers.map(({ name }) => name)
        .toSorted(),
    ).toEqual(['c-ipv4', 'gateway_outside']);
  });
});
