import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';

import { MemoryDataplane } from '../dataplane/memory.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { createLog } from '../runtime/log/logger.ts';
import { unblock } from '../runtime/unblock.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import type { NodeStatus } from './node-status.ts';
import { runByManifests } from './testing/manifest-agent.ts';
import { NodeManifests, nodeConfig, peerSlice, testPeering } from './testing/node-manifests.ts';
import { UnblockedPeerings } from './unblocked-peerings.ts';

let folder = '';
const waited = { timeout: 10_000, interval: 20 };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-node-agent-'));
  mkdirSync(join(folder, 'in'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('what somebody unblocks on a node', () => {
  it('is encrypted or dropped again once it is undone, also where the agent has seen neither', async () => {
    const { agent, kernel, unblocked, end } = await startAgent();
    await vi.waitFor(() => expect(levels(kernel)).toEqual(['in optional', 'out required']), waited);
    unblock(kernel, 'all');
    expect(levels(kernel)).toEqual(['in optional', 'out allow']);
    await unblocked.add('cluster');
    await unblocked.remove('cluster');
    agent.wake();
    await vi.waitFor(() => expect(levels(kernel)).toEqual(['in optional', 'out required']), waited);
    await end();
  });

  it('ends no agent where the file that names it cannot be looked at', async () => {
    const { agent, kernel, unblocked, end } = await startAgent();
    await vi.waitFor(() => expect(levels(kernel)).toHaveLength(2), waited);
    symlinkSync('unblocked', unblocked.path);
    agent.wake();
    // That it goes on as before has no sign of its own; it looks at once when it is woken.
    await sleep(500);
    expect(levels(kernel)).toEqual(['in optional', 'out required']);
    await end();
  });

  it('stays so, and is told of, while the file that names it cannot be read', async () => {
    const { agent, kernel, unblocked, end } = await startAgent();
    await vi.waitFor(() => expect(levels(kernel)).toHaveLength(2), waited);
    await unblocked.add('cluster');
    agent.wake();
    await vi.waitFor(() => expect(levels(kernel)).toEqual([]), waited);
    const content = readFileSync(unblocked.path);
    rmSync(unblocked.path);
    mkdirSync(unblocked.path);
    agent.wake();
    await vi.waitFor(() => expect(agent.readiness().text).toMatch(/unblocked cannot be read: .*remove it/), waited);
    agent.wake();
    // That nothing is blocked has no sign of its own; it is done at once when it is woken.
    await sleep(500);
    expect(levels(kernel)).toEqual([]);
    rmSync(unblocked.path, { recursive: true });
    writeFileSync(unblocked.path, content);
    agent.wake();
    await vi.waitFor(() => expect(agent.readiness().text).not.toMatch(/unblocked/), waited);
    expect(levels(kernel)).toEqual([]);
    await end();
  });

  it('is not carried out until it is undone', async () => {
    const { agent, kernel, unblocked, end } = await startAgent();
    await vi.waitFor(() => expect(levels(kernel)).toHaveLength(2), waited);
    await unblocked.add('cluster');
    agent.wake();
    await vi.waitFor(() => expect(levels(kernel)).toEqual([]), waited);
    await unblocked.remove('cluster');
    agent.wake();
    await vi.waitFor(() => expect(levels(kernel)).toEqual(['in optional', 'out required']), waited);
    await end();
  });
});

it('tells of no enforcement while somebody has a Required policy let pass plaintext, although no peer is reached', async () => {
  const { agent, kernel, reported, end } = await startAgent();
  await vi.waitFor(() => expect(reported().peerings?.[0]?.enforcement?.outbound).toBe('Required'), waited);
  unblock(kernel, 'all');
  agent.wake();
  await vi.waitFor(() => expect(reported().peerings?.[0]?.fault?.reason).toBe('PoliciesMissing'), waited);
  expect(reported().peerings?.[0]?.enforcement).toBeUndefined();
  expect(reported().conditions).toContainEqual(
    expect.objectContaining({ type: 'Programmed', status: 'False', reason: 'PoliciesMissing' }),
  );
  await end();
});

it('names the Secret that it uses, as long as the one that it is told of is not there', async () => {
  const { agent, manifests, reported, end } = await startAgent();
  const certificate = () => reported().peerings?.[0]?.certificate;
  await vi.waitFor(() => expect(certificate()?.secretName).toBe('ike-a'), waited);
  const before = certificate();
  manifests.writeNodeConfig({ authentication: { certificate: { secretName: 'ike-b' } } });
  await vi.waitFor(() => expect(reported().peerings?.[0]?.fault?.message).toMatch(/Secret ike-b is not there/), waited);
  expect(certificate()).toEqual(before);
  agent.wake();
  manifests.writeNodeConfig();
  await vi.waitFor(() => expect(reported().peerings?.[0]?.fault).toBeUndefined(), waited);
  expect(certificate()).toEqual(before);
  await end();
});

it('goes on with what runs of a peering that cannot be made anew, beside what another one has with the same node', async () => {
  const manifests = new NodeManifests(join(folder, 'in'));
  manifests.writeSecret();
  manifests.write('pods.yaml', {
    ...peerSlice({ b: { podCIDRs: ['10.244.2.0/24'] } }),
    metadata: { name: 'pods-0' },
    peering: 'pods',
  });
  const pods = {
    ...testPeering,
    name: 'pods',
    priority: 10,
    traffic: { scope: 'Pods', mode: 'Auto' },
    enforcement: { outbound: 'Required', inbound: 'Required' },
  };
  const write = (...peerings: readonly object[]): void => {
    const config = nodeConfig('a', peerings) as { readonly spec: object };
    const spec = { ...config.spec, podCIDRs: ['10.244.1.0/24'] };
    manifests.write('ipsecnodeconfig-a.yaml', { ...config, spec });
  };
  const { agent, kernel, source, reported, end } = await startAgent(manifests, () => write(testPeering, pods));
  const podPolicies = (): number => {
    const dumped = kernel.dump();
    return dumped.ok ? dumped.value.policies.filter(({ selector }) => selector.source.length === 24).length : 0;
  };
  await vi.waitFor(() => expect(podPolicies()).toBeGreaterThan(0), waited);
  const before = podPolicies();
  write(testPeering, { ...pods, authentication: { certificate: { secretName: 'ike-b' } } });
  await source.reread();
  await vi.waitFor(() => expect(reported().peerings?.[1]?.fault?.message).toMatch(/Secret ike-b is not there/), waited);
  expect(podPolicies()).toBe(before);
  expect(reported().peerings?.[1]?.tunnels).toMatchObject({ pending: 1 });
  write(testPeering);
  await source.reread();
  await vi.waitFor(() => expect(podPolicies()).toBe(0), waited);
  expect(agent.status()?.peers).toMatchObject([{ name: 'b-ipv4' }]);
  await end();
});

describe('what one peering lacks of a Secret that another one uses as well', () => {
  it('keeps no certificate from being used and renewed', async () => {
    const manifests = new NodeManifests(join(folder, 'in'));
    const first = manifests.writeSecret();
    writeBundle(manifests);
    const trusting = { authentication: { certificate: { secretName: 'ike-a', trust: { name: 'ca', key: 'ca.crt' } } } };
    const faulty = { ...gateway('first', '198.51.100.1', 0), authentication: testPeering.authentication };
    const { source, reported, end } = await startAgent(manifests, () => manifests.writePeerings(trusting, faulty));
    const told = (serialNumber: string): object[] => [
      { name: 'cluster', certificate: { serialNumber } },
      { name: 'first', fault: { reason: 'CredentialsMissing', message: expect.stringContaining('has no ca.crt') } },
    ];
    await vi.waitFor(() => expect(reported().peerings).toMatchObject(told(first)), waited);
    expect(reported().peerings?.[0]?.fault).toBeUndefined();
    const renewed = manifests.writeSecret();
    writeBundle(manifests);
    await source.reread();
    await vi.waitFor(() => expect(reported().peerings).toMatchObject(told(renewed)), waited);
    expect(reported().peerings?.[0]?.fault).toBeUndefined();
    await end();
  });

  it('keeps no pre-shared key from being used', async () => {
    const manifests = new NodeManifests(join(folder, 'in'));
    writePreSharedKey(manifests);
    const good = gateway('first', '198.51.100.1', 0);
    const misspelt = { authentication: { preSharedKey: { name: 'psk', key: 'spk' } } };
    const { agent, reported, end } = await startAgent(manifests, () =>
      manifests.writePeerings(good, { ...gateway('second', '198.51.100.2', 10), ...misspelt }),
    );
    await vi.waitFor(() => expect(agent.status()?.peers).toMatchObject([{ name: 'gateway_first' }]), waited);
    await vi.waitFor(() => expect(reported().peerings?.[1]?.fault?.message).toContain('with the key spk'), waited);
    expect(reported().peerings?.[0]?.fault).toBeUndefined();
    await end();
  });
});

it('blames what is in the way of its lock, not who says what is to be done', async () => {
  const manifests = new NodeManifests(join(folder, 'in'));
  manifests.writeNodeConfig();
  const kernel = new MemoryDataplane({ clock: systemClock });
  const text = 'the state folder /var/lib/ikemesh cannot be used: EROFS';
  const more = { mayBegin: async () => false, lockFailure: () => text };
  const { agent, end } = await runByManifests(manifests, { folder, kernel }, more);
  await vi.waitFor(() => expect(agent.readiness()).toEqual({ ready: false, text }), waited);
  await end();
});

describe('what cannot be written for a while', () => {
  it('is used as soon as it can be, and told of until then, where it is keys and certificates', async () => {
    const credentials = join(folder, 'credentials');
    writeFileSync(credentials, 'in the way');
    const { agent, reported, end } = await startAgent();
    await vi.waitFor(
      () => expect(reported().peerings?.[0]?.fault?.message).toMatch(/Secret ike-a cannot be laid down: .*EEXIST/),
      waited,
    );
    rmSync(credentials);
    await vi.waitFor(() => expect(agent.status()?.peers).toMatchObject([{ name: 'b-ipv4' }]), waited);
    await vi.waitFor(() => expect(reported().peerings?.[0]?.fault).toBeUndefined(), waited);
    await end();
  });

  it('is written as soon as it can be where it is the configuration to be kept, and told of once', async () => {
    const state = join(folder, 'state');
    writeFileSync(state, 'in the way');
    const lines: string[] = [];
    const manifests = new NodeManifests(join(folder, 'in'));
    manifests.writeNodeConfig();
    manifests.writeSlice();
    manifests.writeSecret();
    const kernel = new MemoryDataplane({ clock: systemClock });
    const log = createLog('json', 'warn', { write: (line) => void lines.push(line) }, false);
    const kept = new ConfigurationFile(state, 'a');
    const { agent, end } = await runByManifests(manifests, { folder, kernel }, { kept, log });
    await vi.waitFor(() => expect(agent.status()).toBeDefined(), waited);
    await vi.waitFor(
      () => expect(agent.readiness()).toEqual({ ready: true, text: expect.stringMatching(/make room on its disk/) }),
      waited,
    );
    // That it tells nothing more has no sign of its own; the first try again comes after a second.
    await sleep(2_000);
    rmSync(state);
    await vi.waitFor(() => expect(existsSync(kept.path)).toBe(true), waited);
    expect(lines.filter((line) => line.includes('the configuration is not kept'))).toHaveLength(1);
    await end();
  });
});

describe('a gateway by pre-shared key whose traffic is another one’s for a while', () => {
  it('has it back afterwards, and keeps no certificate from being renewed meanwhile', async () => {
    const { agent, manifests, source, end } = await startAgent();
    const peers = () =>
      agent
        .status()
        ?.peers.map(({ name }) => name)
        .sort();
    const reports = (serialNumber: string) => ({
      kubernetes: {
        status: {
          peerings: expect.arrayContaining([
            expect.objectContaining({ certificate: expect.objectContaining({ serialNumber }) }),
          ]),
        },
      },
    });
    writePreSharedKey(manifests);
    manifests.writePeerings({}, gateway('first', '198.51.100.1', 0));
    await source.reread();
    await vi.waitFor(() => expect(peers()).toEqual(['b-ipv4', 'gateway_first']), waited);
    manifests.writePeerings({}, gateway('first', '198.51.100.1', 0), gateway('second', '198.51.100.2', 10));
    await source.reread();
    await vi.waitFor(() => expect(peers()).toEqual(['b-ipv4', 'gateway_second']), waited);
    const renewed = manifests.writeSecret();
    await source.reread();
    await vi.waitFor(() => expect(agent.report()).toMatchObject(reports(renewed)), waited);
    manifests.writePeerings({}, gateway('first', '198.51.100.1', 0));
    await source.reread();
    await vi.waitFor(() => expect(peers()).toEqual(['b-ipv4', 'gateway_first']), waited);
    await end();
  });
});

function gateway(name: string, address: string, priority: number): object {
  const selectors = [{ local: 'NodeAddresses', remote: '10.9.0.0/24' }];
  return {
    name,
    priority,
    authentication: { preSharedKey: { name: 'psk', key: 'psk' } },
    remote: { gateway: { address, identity: { ip: address }, selectors } },
  };
}

function writePreSharedKey(manifests: NodeManifests): void {
  manifests.write('psk.yaml', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'psk', namespace: 'ikemesh-nodes' },
    type: 'ikemesh.io/pre-shared-key',
    stringData: { psk: '0123456789abcdef0123456789abcdef' },
  });
}

/** The Secret is of an issuer that names no authority: that is in a ConfigMap. */
function writeBundle(manifests: NodeManifests): void {
  const secret = parse(readFileSync(join(manifests.folder, 'secret.yaml'), 'utf8'));
  manifests.write('secret.yaml', { ...secret, data: {} });
  const text = Buffer.from(secret.data['ca.crt'], 'base64').toString();
  const metadata = { name: 'ca', namespace: 'ikemesh-nodes' };
  manifests.write('ca.yaml', { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': text } });
}

/** An agent of manifests, whose surroundings are a folder and a fake kernel. */
async function startAgent(manifests = new NodeManifests(join(folder, 'in')), configure?: () => void) {
  if (configure === undefined) {
    manifests.writeNodeConfig();
    manifests.writeSecret();
  } else configure();
  manifests.writeSlice();
  const kernel = new MemoryDataplane({ clock: systemClock });
  const unblocked = new UnblockedPeerings(folder);
  const run = await runByManifests(manifests, { folder, kernel }, { unblocked });
  return { ...run, kernel, unblocked, manifests, reported: (): NodeStatus => run.told.at(-1) ?? {} };
}

function levels(kernel: MemoryDataplane): readonly string[] {
  const dumped = kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value.policies
    .filter(({ selector: { source, destination } }) => source.length === 32 && destination.length === 32)
    .map(({ direction, template, action }) => `${direction} ${template?.level ?? action}`)
    .sort();
}
