import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { MemoryDataplane } from '../dataplane/memory.ts';
import { ip } from '../dataplane/testing/builders.ts';
import { err, ok } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import type { NodeAgent } from './node-agent.ts';
import type { NodeStatus } from './node-status.ts';
import { runByManifests } from './testing/manifest-agent.ts';
import { NodeManifests, nodeConfig, peerSlice, testPeering } from './testing/node-manifests.ts';
import { pass } from './testing/passing-time.ts';

const world = { resolves: false, lookups: 0 };

const selectors = [{ local: 'NodeAddresses', remote: '10.9.0.0/24' }];
const outside = {
  ...testPeering,
  name: 'outside',
  remote: { gateway: { address: 'vpn.example.com', identity: { fqdn: 'vpn.example.com' }, selectors } },
};
const LATE_ADDRESS = ip('2001:db8::1');

let folder = '';
let manifests: NodeManifests;

beforeEach(() => {
  world.resolves = false;
  world.lookups = 0;
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-retry-'));
  mkdirSync(join(folder, 'in'));
  manifests = new NodeManifests(join(folder, 'in'));
  manifests.writeSlice();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

/** Lets time pass until something holds, for so long at most. */
async function within(seconds: number, check: () => void): Promise<void> {
  for (let passed = 0; ; passed += 1) {
    try {
      check();
      return;
    } catch (error) {
      if (passed >= seconds) throw error;
      await pass(1);
    }
  }
}

function configure(...peerings: readonly object[]): void {
  manifests.write('ipsecnodeconfig-a.yaml', nodeConfig('a', peerings));
}

/** An agent whose host gets an address late. */
async function startAgent(kernel = new MemoryDataplane({ clock: systemClock }), errno = 'EADDRNOTAVAIL') {
  const transport = new TestWorld().transport();
  const listen = transport.listen.bind(transport);
  const host = { hasLateAddress: false, attempts: 0 };
  transport.listen = (addresses) => {
    if (host.hasLateAddress || !addresses.includes(LATE_ADDRESS)) return listen(addresses);
    host.attempts += 1;
    return err({ kind: 'socketFailure', address: LATE_ADDRESS, port: 500, errno, message: '' });
  };
  const run = await runByManifests(
    manifests,
    { folder, kernel },
    {
      resolveHost: async (name) => {
        world.lookups += 1;
        return world.resolves ? ok([ip('198.51.100.1')]) : err(`${name} does not resolve`);
      },
      createTransport: () => transport,
    },
  );
  const latest = (): NodeStatus | undefined => run.told.at(-1);
  const end = async (): Promise<void> => {
    let isOver = false;
    const ended = run.end().finally(() => {
      isOver = true;
    });
    while (!isOver) await pass(1);
    await ended;
  };
  await within(20, () => expect(latest()?.peerings).toBeDefined());
  return { agent: run.agent, kernel, host, end, latest };
}

function verdicts(status: NodeStatus | undefined): readonly string[] {
  return (status?.conditions ?? []).map(({ type, status: value, reason }) => `${type} ${value} ${reason}`);
}

function serialIn(status: NodeStatus | undefined): string | undefined {
  return status?.peerings?.[0]?.certificate?.serialNumber;
}

describe('a change that cannot be carried out yet', { timeout: 60_000 }, () => {
  it('is tried again until it can, and the status tells what is in use meanwhile', async () => {
    const first = manifests.writeSecret();
    configure(testPeering);
    const { host, end, latest } = await startAgent(undefined, 'EADDRINUSE');
    expect(serialIn(latest())).toBe(first);
    const second = manifests.writeSecret();
    configure({ ...testPeering, addresses: ['192.0.2.1', LATE_ADDRESS] });
    await within(20, () => expect(verdicts(latest())).toContain('Programmed False NotApplied'));
    expect(serialIn(latest())).toBe(first);
    expect(verdicts(latest())).toContain('CertificatesLoaded Unknown NotApplied');
    expect(latest()?.peerings).toMatchObject([{ fault: { reason: 'NotApplied' } }]);
    expect(latest()?.peerings?.[0]?.enforcement).toBeUndefined();
    host.hasLateAddress = true;
    await within(35, () => expect(serialIn(latest())).toBe(second));
    expect(verdicts(latest()).slice(1)).toEqual(['Programmed True Programmed', 'CertificatesLoaded True Loaded']);
    await end();
  });

  it('is tried less and less often', async () => {
    manifests.writeSecret();
    configure(testPeering);
    const { host, end } = await startAgent();
    configure({ ...testPeering, addresses: ['192.0.2.1', LATE_ADDRESS] });
    await within(20, () => expect(host.attempts).toBe(1));
    // After 1, 2, 4, 8, 16 and then every 30 seconds.
    await pass(122);
    expect(host.attempts).toBeGreaterThanOrEqual(8);
    expect(host.attempts).toBeLessThanOrEqual(9);
    await end();
  });
});

describe('an address of a peering that the host does not have yet', { timeout: 60_000 }, () => {
  const late = { ...testPeering, name: 'late', addresses: ['192.0.2.1', LATE_ADDRESS] };
  const told = [{ name: 'late', fault: { reason: 'AddressMissing', message: expect.stringContaining(LATE_ADDRESS) } }];

  beforeEach(() => {
    manifests.writeSecret();
    manifests.write('slice.yaml', {
      ...peerSlice({ b: { addresses: ['192.0.2.2', '2001:db8::2'] } }),
      metadata: { name: 'late-0' },
      peering: 'late',
    });
  });

  function peers(agent: NodeAgent): readonly string[] | undefined {
    return agent
      .status()
      ?.peers.map(({ name }) => name)
      .sort();
  }

  it('keeps no agent from starting, and is listened at once it is there', async () => {
    configure(late);
    const { agent, host, end, latest } = await startAgent();
    await within(20, () => expect(peers(agent)).toEqual(['b-ipv4', 'b-ipv6']));
    await within(5, () => expect(latest()?.peerings).toMatchObject(told));
    expect(verdicts(latest())).toContain('Programmed False AddressMissing');
    expect(latest()?.peerings?.[0]?.fault?.message).toMatch(
      /add it to an interface, or correct the status of the Node/,
    );
    host.hasLateAddress = true;
    await within(35, () => expect(verdicts(latest())).toContain('Programmed True Programmed'));
    expect(latest()?.peerings?.[0]?.fault).toBeUndefined();
    await end();
  });

  it('keeps no other peering from being changed', async () => {
    const other = { ...outside, remote: { gateway: { ...outside.remote.gateway, address: '198.51.100.1' } } };
    configure({ ...late, addresses: ['192.0.2.1'] });
    const { agent, end, latest } = await startAgent();
    await within(20, () => expect(peers(agent)).toEqual(['b-ipv4']));
    configure(late, other);
    await within(20, () => expect(peers(agent)).toEqual(['b-ipv4', 'b-ipv6', 'gateway_outside']));
    await within(5, () => expect(latest()?.peerings?.slice(0, 1)).toMatchObject(told));
    expect(latest()?.peerings?.find(({ name }) => name === 'outside')?.fault).toBeUndefined();
    await end();
  });

  it('leaves what runs from another one as it is, also when the agent is started again', async () => {
    const moving = (addresses: readonly string[]): object => ({ ...late, addresses });
    const former = '2001:db8::3';
    configure(moving(['192.0.2.1', former]));
    const { agent, kernel, end, latest } = await startAgent();
    const from = (address: string): boolean => {
      const dumped = kernel.dump();
      const peer = '2001:db8::2';
      return (
        dumped.ok &&
        dumped.value.policies.some(
          ({ selector: { source, destination } }) => source.address === address && destination.address === peer,
        )
      );
    };
    await within(20, () => expect(from(former)).toBe(true));
    configure(moving(['192.0.2.1', LATE_ADDRESS]));
    await within(20, () => expect(latest()?.peerings).toMatchObject(told));
    expect(peers(agent)).toEqual(['b-ipv4', 'b-ipv6']);
    expect([from(former), from(LATE_ADDRESS)]).toEqual([true, false]);
    await end();
    const again = await startAgent(kernel);
    await within(20, () => expect(peers(again.agent)).toEqual(['b-ipv4', 'b-ipv6']));
    expect([from(former), from(LATE_ADDRESS)]).toEqual([true, true]);
    again.host.hasLateAddress = true;
    await within(35, () => expect([from(former), from(LATE_ADDRESS)]).toEqual([false, true]));
    await again.end();
  });
});

it('is not told of as the reason why no agent runs once nothing is to be done there', { timeout: 60_000 }, async () => {
  manifests.writeSecret();
  configure({ ...testPeering, addresses: ['192.0.2.1', LATE_ADDRESS] });
  const { end, latest } = await startAgent(undefined, 'EADDRINUSE');
  await within(20, () => expect(verdicts(latest())).toContain('Programmed False NotStarted'));
  configure({ ...testPeering, authentication: { certificate: { secretName: 'ike-b' } } });
  await within(20, () => expect(verdicts(latest())).toContain('Programmed Unknown CredentialsMissing'));
  await end();
});

describe('a gateway whose name does not resolve', { timeout: 60_000 }, () => {
  it.each([
    ['beside other peerings', [testPeering, outside]],
    ['as the only peering', [outside]],
  ])('is asked for again every minute and connected once it does, %s', async (_, peerings) => {
    manifests.writeSecret();
    configure(...peerings);
    const { agent, end, latest } = await startAgent();
    await within(5, () => expect(verdicts(latest())).toContain('Programmed False PeeringFaulty'));
    const asked = world.lookups;
    await pass(130);
    expect(world.lookups - asked).toBe(2);
    world.resolves = true;
    await within(65, () => expect(verdicts(latest())).toContain('Programmed True Programmed'));
    expect(agent.status()?.peers.map(({ name }) => name)).toContain('gateway_outside');
    await end();
  });

  it('is told of also where its place is held for what an earlier run has left', async () => {
    manifests.writeSecret();
    configure(testPeering, outside);
    world.resolves = true;
    const { kernel, end } = await startAgent();
    await end();
    world.resolves = false;
    const again = await startAgent(kernel);
    expect(again.agent.status()?.peers).toMatchObject([{ name: 'b-ipv4' }, { name: 'gateway_outside' }]);
    await within(5, () => expect(verdicts(again.latest())).toContain('Programmed False PeeringFaulty'));
    world.resolves = true;
    await within(65, () => expect(verdicts(again.latest())).toContain('Programmed True Programmed'));
    await again.end();
  });
});
