import { describe, expect, it } from 'vitest';
import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { ip, policy, selector } from '../dataplane/testing/builders.ts';
import { policyKeyText } from '../dataplane/texts.ts';
import type { KernelSnapshot } from '../dataplane/types.ts';
import { secretsOf } from '../ike/negotiation/authentication.ts';
import type { SegmentClamps, SegmentSizes } from '../ports.ts';
import { ok } from '../result.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import type { Agent } from './agent.ts';
import { bypassPolicies, isBypass, isPathMtuBypass } from './bypass.ts';
import { statusText } from './status/table.ts';
import { TEST_SECRET, TestHost, TestWorld, testConfig } from './testing/agents.ts';

const A = '10.78.0.1';
const B = '10.78.0.2';
const C = '10.78.0.3';
const BYPASSES = bypassPolicies({ ike: 500, natTraversal: 4500 }, [ip(A)]).length;
const configA = (peers: Readonly<Record<string, string>> = { 'node-b': B }) =>
  testConfig(opensslProvider, 'node-a', A, peers);
const configB = () => testConfig(opensslProvider, 'node-b', B, { 'node-a': A });

function started(
  host: TestHost,
  config: Parameters<TestHost['start']>[0],
  more: Parameters<TestHost['start']>[2] = {},
): Agent {
  const agent = host.start(config, [], more);
  if (!agent.ok) throw new Error(agent.error.text);
  return agent.value;
}

function pair() {
  const world = new TestWorld();
  const hosts = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)] as const;
  const agents = [started(hosts[0], configA()), started(hosts[1], configB())] as const;
  world.pass(1_000);
  return { world, hosts, agents };
}

function installed(host: TestHost): KernelSnapshot {
  const dumped = host.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value;
}

describe('an agent', () => {
  it('lets IKE and neighbour discovery pass before it installs anything else', () => {
    const host = new TestHost(new TestWorld(), opensslProvider);
    started(host, configA());
    const { policies } = installed(host);
    const bypasses = policies.filter(isBypass);
    expect(bypasses).toHaveLength(BYPASSES);
    const others = policies.filter((one) => !isBypass(one));
    expect(Math.max(...bypasses.map((one) => one.priority))).toBeLessThan(
      Math.min(...others.map((one) => one.priority)),
    );
    expect(host.commands.slice(0, BYPASSES)).toEqual(Array(BYPASSES).fill('putPolicy'));
  });

  it('clamps segments to what fits once there is a Child SA, shows it, follows a reload, and leaves it in place when it ends', () => {
    const world = new TestWorld();
    const [host, other] = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)];
    const filter = { present: new Map<number, SegmentSizes>() as ReadonlyMap<number, SegmentSizes> };
    const segmentClamps: SegmentClamps = {
      read: () => ok(filter.present),
      replace: (sizes) => {
        filter.present = sizes;
        return ok(undefined);
      },
      close: () => {},
    };
    const pathMtus = { between: () => ({ link: 1_500, path: 1_500 }) };
    const config = (mssClamp: 'auto' | number) =>
      testConfig(opensslProvider, 'node-a', A, { 'node-b': B }, { mssClamp });
    const agent = started(host, config('auto'), { segmentClamps, pathMtus });
    started(other, configB());
    world.pass(2_000);
    const [peer] = agent.status().peers;
    const payload = peer?.mtu?.children[0]?.payload ?? 0;
    expect(peer?.mssClamps).toEqual([{ name: 'default', ipv4: payload - 40, ipv6: payload - 60 }]);
    expect(statusText(agent.status())).toContain(`TCP segments through default: ${payload - 40} at most by IPv4`);
    agent.reload(config(1_200));
    world.pass(1_000);
    expect([...filter.present.values()]).toEqual([{ ipv4: 1_200, ipv6: 1_200 }]);
    expect(agent.status().peers[0]?.ikeSas).toHaveLength(1);
    agent.stop();
    expect(filter.present.size).toBe(1);
  });

  it('takes its clamps away with a flush', async () => {
    let cleared = 0;
    const segmentClamps: SegmentClamps = {
      read: () => ok(new Map()),
      replace: (sizes) => {
        if (sizes.size === 0) cleared += 1;
        return ok(undefined);
      },
      close: () => {},
    };
    const wanting = testConfig(opensslProvider, 'node-c', C, { 'node-z': '10.78.0.9' }, { mssClamp: 1_200 });
    await started(new TestHost(new TestWorld(), opensslProvider), wanting, { segmentClamps }).flushAndStop();
    expect(cleared).toBe(1);
  });

  it('receives what routers say of the path MTU in plaintext, unless told otherwise, and never sends it so', () => {
    const host = new TestHost(new TestWorld(), opensslProvider);
    const pathMtu = () => installed(host).policies.filter((one) => isBypass(one) && isPathMtuBypass(one));
    const first = started(host, configA());
    expect(pathMtu().map(({ direction, template }) => [direction, template?.level])).toEqual([
      ['in', 'optional'],
      ['in', 'optional'],
    ]);
    expect(
      first.status().bypasses.map(({ traffic, policies, installed: there }) => [traffic, policies, there]),
    ).toEqual([
      ['IKE and ESP in UDP of this node (UDP 500 and 4500)', 4, 4],
      ['neighbour discovery (ICMPv6 133 to 137)', 10, 10],
      ['path MTU, received only (ICMP 3/4, ICMPv6 2)', 2, 2],
    ]);
    first.stop();
    const second = started(host, configA(), { refusesPlainPathMtu: true });
    expect(pathMtu()).toEqual([]);
    expect(second.status().bypasses).toHaveLength(2);
  });

  it.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('goes on with the SAs that it has when the clock on the wall jumps a day %s', (_, ms) => {
    const { world, hosts, agents } = pair();
    const spis = () =>
      agents.map((agent) =>
        agent.status().peers[0]?.ikeSas.map(({ children }) => children.map((each) => each.inbound.spi)),
      );
    const before = spis();
    world.clock.jump(ms);
    world.pass(60_000);
    expect(spis()).toEqual(before);
    for (const agent of agents) {
      const { peers, uptimeSeconds } = agent.status();
      expect(peers).toMatchObject([{ state: 'encrypting', ikeSas: [{ state: 'established' }] }]);
      expect(uptimeSeconds).toBe(61);
    }
    expect(hosts.map((host) => installed(host).sas.length)).toEqual([2, 2]);
  });

  it('encrypts with its peer and says so from the kernel’s counters', () => {
    const { agents } = pair();
    const report = agents[0].status();
    expect(report.peers).toMatchObject([
      {
        name: 'node-b',
        state: 'encrypting',
        localIdentity: 'node-a',
        remoteIdentity: 'node-b',
        ikeSas: [
          {
            state: 'established',
            children: [{ inbound: { installed: true, packets: 0 }, outbound: { installed: true } }],
          },
        ],
      },
    ]);
    expect(report.earlierSas).toEqual([]);
  });

  it('does not call a peer encrypting whose SA is gone from the kernel', () => {
    const { agents, hosts } = pair();
    const [sa] = installed(hosts[0]).sas;
    if (sa !== undefined) hosts[0].kernel.kernel.deleteSa(sa.id);
    expect(agents[0].status().peers[0]?.state).toBe('established');
  });

  it('says which port is taken, and has touched nothing', () => {
    const host = new TestHost(new TestWorld(), opensslProvider);
    const agent = host.start(configA(), [A]);
    expect(agent).toMatchObject({ ok: false, error: { exitCode: 3 } });
    expect(agent.ok ? '' : agent.error.text).toMatch(
      /^UDP port 500 of 10\.78\.0\.1 is taken by another program: stop it/,
    );
    expect(host.commands).toEqual([]);
  });

  it('says in one sentence that it may not change policies', () => {
    const host = new TestHost(new TestWorld(), opensslProvider);
    host.fault = () => ({ errno: 'EPERM', reason: '' });
    const agent = host.start(configA());
    expect(agent.ok ? '' : agent.error.text).toMatch(/CAP_NET_ADMIN is missing; grant it/);
  });

  it('leaves a foreign bypass of IKE alone and goes on', () => {
    const host = new TestHost(new TestWorld(), opensslProvider);
    const [first] = bypassPolicies({ ike: 500, natTraversal: 4500 }, [ip(A)]);
    if (first !== undefined) host.kernel.kernel.putPolicy({ ...first, index: 8, priority: 77 });
    started(host, configA());
    expect(host.logLines.find((line) => line.msg === 'a policy for IKE itself is not ours')).toMatchObject({
      level: 'warn',
    });
    expect(installed(host).policies.find((one) => one.priority === 77)?.ours).toBe(false);
  });

  it('lets IKE and neighbour discovery pass again within seconds when another program has flushed all policies', () => {
    const { world, hosts, agents } = pair();
    const before = keys(hosts[0]);
    flushPolicies(hosts[0]);
    world.pass(2_500);
    expect(keys(hosts[0])).toEqual(before);
    expect(agents[0].status().bypasses.map(({ policies, installed: there }) => there === policies)).toEqual([
      true,
      true,
      true,
    ]);
    expect(
      hosts[0].logLines.find(({ msg }) => msg === 'a policy was not in the kernel any more, and was put back'),
    ).toMatchObject({ level: 'warn' });
  });

  it.each<[string, (agent: Agent) => unknown]>([
    ['a reload', (agent) => agent.reload(configA())],
    ['the return of policies', (agent) => agent.restorePolicies()],
  ])('lets IKE pass again with %s', (_, restore) => {
    const { hosts, agents } = pair();
    flushPolicies(hosts[0]);
    restore(agents[0]);
    expect(installed(hosts[0]).policies.filter(isBypass)).toHaveLength(BYPASSES);
  });

  it('leaves alone what somebody has put in the place of a bypass, or made of it', () => {
    const { world, hosts } = pair();
    const [changed, replaced] = installed(hosts[0]).policies.filter(isBypass);
    if (changed === undefined || replaced === undefined) throw new Error('no bypasses');
    hosts[0].kernel.execute({ kind: 'putPolicy', policy: { ...changed, action: 'block' } });
    hosts[0].kernel.kernel.deletePolicy(replaced);
    hosts[0].kernel.kernel.putPolicy({ ...replaced, index: 8, priority: 77 });
    world.pass(2_500);
    const { policies } = installed(hosts[0]);
    expect(policies.find(({ index }) => index === changed.index)?.action).toBe('block');
    expect(policies.find(({ priority }) => priority === 77)?.ours).toBe(false);
  });
});

/** As `ip xfrm policy flush` does. */
function flushPolicies({ kernel }: TestHost): void {
  for (const { spec } of [...kernel.kernel.policies.all()]) kernel.kernel.deletePolicy(spec);
}

function keys(host: TestHost): readonly string[] {
  return installed(host).policies.map(policyKeyText).sort();
}

describe('a reload', () => {
  it('leaves unchanged peers as they are when another one comes', () => {
    const { world, agents, hosts } = pair();
    const spis = () =>
      agents[0].status().peers[0]?.ikeSas.map(({ number, children }) => [number, children[0]?.inbound]);
    const before = spis();
    const policies = installed(hosts[0]).policies.length;
    hosts[0].commands.length = 0;
    expect(agents[0].reload(configA({ 'node-b': B, 'node-c': C }))).toEqual({ ok: true, value: undefined });
    world.pass(100);
    const { peers } = agents[0].status();
    expect(peers.map((peer) => peer.name)).toEqual(['node-b', 'node-c']);
    expect(spis()).toEqual(before);
    expect(hosts[0].commands).toEqual(['putPolicy', 'putPolicy']);
    expect(installed(hosts[0]).policies.length).toBe(policies + 2);
  });

  it('keeps SAs and policies of a peer that only gets another name: nothing leaves in plaintext, nothing is negotiated', () => {
    const { world, agents, hosts } = pair();
    const children = () => agents[0].status().peers.map(({ name, ikeSas }) => [name, ikeSas[0]?.children[0]?.inbound]);
    const [[, before] = []] = children();
    hosts[0].commands.length = 0;
    const { connections, ...rest } = configA();
    agents[0].reload({ ...rest, connections: connections.map((each) => ({ ...each, name: 'berlin' })) });
    world.pass(10_000);
    expect(hosts[0].commands).toEqual([]);
    expect(children()).toEqual([['berlin', before]]);
  });

  it('hands over the policies of a peer that gets another name and another identity: nothing leaves in plaintext', () => {
    const { world, agents, hosts } = pair();
    const localIdentity = { idType: 2, data: new TextEncoder().encode('other.example') };
    const packet = { source: ip(A), destination: ip(B), protocol: 17, sourcePort: 1, destinationPort: 2 } as const;
    const fates = new Set<string>();
    hosts[0].fault = () => {
      fates.add(hosts[0].kernel.outbound({ kind: 'plain', payloadBytes: 10, ...packet }).kind);
      return undefined;
    };
    const { connections, ...rest } = configA();
    agents[0].reload({ ...rest, connections: connections.map((each) => ({ ...each, localIdentity, name: 'berlin' })) });
    world.pass(10_000);
    expect(fates.size).toBeGreaterThan(0);
    expect(fates).not.toContain('plain');
    expect(agents[0].status().peers.map(({ name }) => name)).toEqual(['berlin']);
  });

  it('ends the SAs of a peer that is no longer configured, at both ends, and removes its policies', () => {
    const { world, agents, hosts } = pair();
    agents[0].reload(configA({}));
    world.pass(10_000);
    expect(agents[0].status().peers).toEqual([]);
    expect(installed(hosts[0])).toMatchObject({ sas: [] });
    expect(installed(hosts[0]).policies).toHaveLength(BYPASSES);
    expect(installed(hosts[1]).sas).toEqual([]);
  });

  it('hears the answer of a peer that is no longer configured, and only then closes the sockets that nobody needs', () => {
    const world = new TestWorld();
    const hosts = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)] as const;
    const transport = world.transport();
    const retained: (readonly string[])[] = [];
    const retain = (addresses: readonly IpAddress[]): void => {
      retained.push(addresses);
      transport.retain(addresses);
    };
    const agent = started(hosts[0], configA(), { transport: { ...transport, retain } });
    started(hosts[1], configB());
    world.pass(1_000);
    agent.reload({ ...configA({}), addresses: [] });
    expect(retained).toEqual([[A]]);
    world.pass(100);
    expect(hosts[0].logLines.some(({ msg }) => msg === 'IKE SA closed')).toBe(true);
    expect(retained).toEqual([[A], []]);
  });

  it('does nothing where the file says the same, and wipes the keys it does not need', () => {
    const { agents, hosts } = pair();
    hosts[0].commands.length = 0;
    const same = configA();
    agents[0].reload(same);
    expect(hosts[0].commands).toEqual([]);
    expect(same.connections.flatMap(secretsOf).map(({ length }) => length)).toEqual([0, 0]);
    expect(hosts[0].logLines.at(-1)).toMatchObject({ msg: 'nothing has changed' });
  });

  it('changes nothing where an address cannot be had', () => {
    const world = new TestWorld();
    const host = new TestHost(world, opensslProvider);
    const agent = host.start(configA(), [C]);
    if (!agent.ok) throw new Error(agent.error.text);
    host.commands.length = 0;
    const moved = { ...configA({}), addresses: [ip(A), ip(C)] };
    expect(agent.value.reload(moved)).toEqual({
      ok: false,
      error: expect.stringContaining('UDP port 500 of 10.78.0.3 is taken'),
    });
    expect(agent.value.status().peers).toHaveLength(1);
    expect(host.commands).toEqual([]);
  });

  it('keeps the reqid of a Child SA whatever changes around it', () => {
    const { agents, hosts } = pair();
    const reqid = agents[0].status().peers[0]?.ikeSas[0]?.children[0]?.reqid;
    agents[0].reload(configA({ 'node-c': C, 'node-b': B }));
    expect(agents[0].status().peers.find((peer) => peer.name === 'node-b')?.ikeSas[0]?.children[0]?.reqid).toBe(reqid);
    const ofPeers = installed(hosts[0]).policies.filter((one) => !isBypass(one));
    expect(new Set(ofPeers.map((one) => one.template?.reqid)).size).toBe(2);
  });
});

describe('an interface with a link-local address', () => {
  const here = 'fe80::1%eth0';
  const there = 'fe80::2%eth0';
  const remade = (taken: readonly string[]) => {
    const world = new TestWorld();
    const [left, right] = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)];
    const agent = left.start(testConfig(opensslProvider, 'node-a', here, { 'node-b': there }), taken);
    if (!agent.ok) throw new Error(agent.error.text);
    started(right, testConfig(opensslProvider, 'node-b', there, { 'node-a': here }));
    world.pass(1_000);
    expect(agent.value.status().peers[0]?.state).toBe('encrypting');
    const out = outOf(left);
    // The interface has another number: what the kernel has is of one that is no more.
    left.kernel.execute({ kind: 'deletePolicy', key: out, index: out.index });
    const policyOfNone = { ...out, selector: { ...out.selector, interface: '7' } };
    left.kernel.execute({ kind: 'putPolicy', policy: policyOfNone });
    world.stale.add(ip(here));
    return { world, left, agent: agent.value };
  };
  const outs = (host: TestHost) =>
    installed(host).policies.filter(({ direction, template }) => direction === 'out' && template !== undefined);
  const outOf = (host: TestHost) => {
    const [out] = outs(host);
    if (out === undefined) throw new Error('no policy');
    return out;
  };

  it('that is made anew has sockets and policies again within seconds, so that nothing leaves in plaintext', () => {
    const { world, left } = remade([]);
    world.pass(2_500);
    expect(outs(left).map(({ selector: { interface: name } }) => name)).toEqual(['eth0']);
    expect(world.stale.size).toBe(0);
  });

  it('that is gone is in the way of no other change', () => {
    const taken: string[] = [];
    const { world, left, agent } = remade(taken);
    taken.push(here);
    world.pass(2_500);
    const more = testConfig(opensslProvider, 'node-a', here, { 'node-b': there, 'node-c': 'fe80::3%eth0' });
    expect(agent.reload(more)).toEqual({ ok: true, value: undefined });
    expect(agent.status().peers).toHaveLength(2);
    taken.length = 0;
    world.pass(2_500);
    expect(left.logLines.map(({ msg }) => msg)).toContain('an interface was made anew');
  });

  it('that is gone is waited for', () => {
    const taken: string[] = [];
    const { world, left } = remade(taken);
    taken.push(here);
    world.pass(10_000);
    expect(world.stale.size).toBe(1);
    expect(left.logLines.filter(({ msg }) => msg === 'an interface is gone')).toHaveLength(1);
    taken.length = 0;
    world.pass(2_500);
    expect(world.stale.size).toBe(0);
  });
});

describe('the end of an agent', () => {
  it('leaves SAs and policies in the kernel, for the next run to take over', () => {
    const { world, agents, hosts } = pair();
    const before = installed(hosts[0]);
    agents[0].stop();
    expect(installed(hosts[0])).toEqual(before);
    const next = started(hosts[0], configA());
    expect(
      next
        .status()
        .earlierSas.map((sa) => sa.spi)
        .sort(),
    ).toEqual(before.sas.map((sa) => sa.id.spi.toString(16).padStart(8, '0')).sort());
    world.pass(30_000);
    expect(next.status().peers[0]?.state).toBe('encrypting');
    const reqids = new Set(installed(hosts[0]).sas.map((sa) => sa.reqid));
    expect([...reqids]).toEqual([before.sas[0]?.reqid]);
  });

  it('removes at the next start what no peer of the file asks for any more, and nothing of others', () => {
    const { agents, hosts } = pair();
    agents[0].stop();
    hosts[0].kernel.kernel.putPolicy(policy('out', selector('192.0.2.1', '192.0.2.2'), { index: 9 }));
    started(hosts[0], configA({}));
    const { sas, policies } = installed(hosts[0]);
    expect(sas).toEqual([]);
    expect(policies.filter((one) => one.ours)).toHaveLength(BYPASSES);
    expect(policies.filter((one) => !one.ours)).toHaveLength(1);
  });

  it('starts again with other peers without stumbling over the policies of the earlier run', () => {
    const { agents, hosts } = pair();
    agents[0].stop();
    started(hosts[0], configA({ 'node-c': C, 'node-d': '10.78.0.4', 'node-b': B }));
    expect(hosts[0].logLines.filter((line) => line.msg === 'the kernel refused a command')).toEqual([]);
    expect(installed(hosts[0]).policies.filter((one) => one.ours)).toHaveLength(BYPASSES + 6);
  });

  it('with a flush tells the peer and leaves nothing of ours, but all of others', async () => {
    const { world, agents, hosts } = pair();
    hosts[0].kernel.kernel.putPolicy(policy('out', selector('192.0.2.1', '192.0.2.2'), { index: 9 }));
    const flushed = agents[0].flushAndStop();
    world.pass(1_000);
    await flushed;
    expect(installed(hosts[0]).sas).toEqual([]);
    expect(installed(hosts[0]).policies.map((one) => one.ours)).toEqual([false]);
    expect(hosts[0].logLines.filter((line) => line.level === 'warn')).toEqual([]);
    world.pass(10_000);
    expect(installed(hosts[1]).sas).toEqual([]);
  });

  it('with a flush waits for the answer of the peer, to an IKE SA that was rekeyed as well', async () => {
    const { world, agents, hosts } = pair();
    while (!hosts[0].logLines.some(({ msg }) => msg === 'IKE SA rekeyed')) world.pass(600_000);
    world.pass(10_000);
    let ended = false;
    const flushed = agents[0].flushAndStop().then(() => {
      ended = true;
    });
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    world.pass(1_000);
    await flushed;
    expect(installed(hosts[0])).toEqual({ sas: [], policies: [] });
  });

  it('does not wait long for a peer that is gone', async () => {
    const { world, agents, hosts } = pair();
    agents[1].stop();
    const flushed = agents[0].flushAndStop();
    world.pass(3_000);
    await flushed;
    expect(installed(hosts[0])).toEqual({ sas: [], policies: [] });
  });
});

describe('what an agent writes', () => {
  it('holds no secret: neither the pre-shared key nor keys of SAs', () => {
    const { world, agents, hosts } = pair();
    agents[0].reload(configA({ 'node-b': B, 'node-c': C }));
    world.pass(60_000);
    const written = JSON.stringify([hosts.map((host) => host.logLines), agents.map((agent) => agent.status())]);
    expect(written).toContain('IKE SA established');
    expect(written).not.toContain(TEST_SECRET);
    expect(written).not.toContain(Buffer.from(TEST_SECRET).toString('hex'));
    expect(written).not.toContain(Buffer.from(TEST_SECRET).toString('base64'));
    expect(written).not.toMatch(/"(key|encryption|integrity|preSharedKey)"/i);
  });

  it('names the peer and what to do when the keys differ', () => {
    const world = new TestWorld();
    const hosts = [new TestHost(world, opensslProvider), new TestHost(world, opensslProvider)] as const;
    const agent = started(hosts[0], configA());
    const wrong = configB();
    for (const secret of wrong.connections.flatMap(secretsOf)) secret.use((bytes) => bytes.fill(0x41));
    started(hosts[1], wrong);
    world.pass(5_000);
    const warning = hosts[0].logLines.find((line) => line.msg === 'negotiation failed');
    expect(warning).toMatchObject({ level: 'warn', peer: 'node-b', reason: 'authenticationFailed' });
    expect(agent.status().peers[0]).toMatchObject({
      state: 'down',
      lastFailure: { text: expect.stringContaining('node-b') },
      nextAttemptSeconds: expect.any(Number),
    });
  });
});
