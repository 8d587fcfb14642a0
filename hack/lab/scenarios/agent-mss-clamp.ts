import assert from 'node:assert/strict';

import type { AgentProcess } from '../agent/agent-process.ts';
import { type MtuEnd, mtuConfiguration, settledMtu, startMtuAgent } from '../pair/mtu-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { expectPing } from '../traffic/counted-pings.ts';
import { expectTransfers, transfers } from '../traffic/tcp-transfer.ts';

const clamps: Scenario = {
  name: 'agent-mss-clamp',
  description:
    'a router drops long packets without a word: large TCP transfers, local and forwarded, hang, and pass where one end clamps segments; rules of others stay, ours come back and go with the peering',
  usesAgent: true,
  filtersPackets: true,
  timeoutMs: 300_000,
  run: runClamped,
};

const unsupported: Scenario = {
  name: 'agent-mss-clamp-unsupported',
  description: 'a kernel that cannot clamp segments: the status says so in a sentence, and all else goes on',
  usesAgent: true,
  filtersPackets: true,
  timeoutMs: 120_000,
  run: runUnsupported,
};

const byIpv6: Scenario = {
  name: 'agent-mss-clamp-ipv6',
  description: 'the same by IPv6, in transport mode: large TCP transfers pass where one end clamps segments',
  usesAgent: true,
  filtersPackets: true,
  timeoutMs: 180_000,
  run: runByIpv6,
};

export default [clamps, byIpv6, unsupported];

async function runClamped(lab: Lab): Promise<void> {
  const { a, b, client, server } = await nodesBehindRouter(lab);
  if (!(await canClamp(a))) lab.skip('this kernel has no nf_tables for IP');
  await a.succeed(['nft', '-f', '-'], { input: FOREIGN });
  const before = await listing(a, 'foreign');
  const agents = [await startMtuAgent(lab, a, A, B, peer(OF_A)), await startMtuAgent(lab, b, B, A, peer(OF_B))];
  const [first] = agents as [AgentProcess];
  await settledMtu(agents, 'two Child SAs', () => true, { children: 2 });
  await expectPing(client, SERVER);
  lab.step('transfers without clamps hang');
  assert.equal(await transfers(a, b, B.address, 8_000), false, 'local');
  assert.equal(await transfers(client, server, SERVER, 8_000), false, 'forwarded');

  lab.step('one end clamps to a number');
  first.reload(mtuConfiguration(A, B, peer(OF_A, 1_200)));
  await clampedTo(first, (ipv4) => ipv4 === 1_200);
  await expectAllTransfers(lab, [a, b], [client, server]);
  const table = await listing(a, 'ikemesh');
  assert.match(table, /goto mss-1200/);
  assert.equal(await listing(a, 'foreign'), before, 'rules of others are as they were');
  lab.step('nft takes its own listing of the table for the same table');
  await a.succeed(['nft', 'delete', 'table', 'inet', 'ikemesh']);
  await a.succeed(['nft', '-f', '-'], { input: table });
  assert.equal(await listing(a, 'ikemesh'), table);

  lab.step('somebody flushes all rules of the host');
  await a.succeed(['nft', 'flush', 'ruleset']);
  await waitUntil('the table to be back', async () => (await listing(a, 'ikemesh')) === table, { timeoutMs: 20_000 });

  lab.step('the agent is killed; what it had put stays');
  await first.kill();
  assert.equal(await listing(a, 'ikemesh'), table);
  lab.step('the next one finds out what fits');
  const second = await startMtuAgent(lab, a, A, B, peer(OF_A, 'Auto'), ['--probe-path-mtu']);
  // 1,400 less IPv4, UDP or not, ESP, and the headers of IPv4 and TCP.
  await clampedTo(second, (ipv4) => ipv4 > 1_290 && ipv4 < 1_310, { timeoutMs: 90_000 });
  await expectAllTransfers(lab, [a, b], [client, server]);

  lab.step('nobody is to be clamped any more');
  second.reload(mtuConfiguration(A, B, peer(OF_A)));
  await waitUntil('the table to be gone', async () => (await listing(a, 'ikemesh')) === '', { timeoutMs: 20_000 });
  second.reload(mtuConfiguration(A, B, peer(OF_A, 1_200)));
  await clampedTo(second, (ipv4) => ipv4 === 1_200);
  for (const agent of [second, ...agents.slice(1)]) assert.equal((await agent.stop()).code, 0, agent.log());
  assert.equal(await listing(a, 'ikemesh'), '', 'with a flush nothing is left');
}

async function runByIpv6(lab: Lab): Promise<void> {
  const [left, right]: readonly [MtuEnd, MtuEnd] = [
    { name: 'a', address: '2001:db8:1::1' },
    { name: 'b', address: '2001:db8:2::1' },
  ];
  const { nodes } = await lab.topology({
    nodes: {
      a: { routes: ['default via 2001:db8:1::fe'] },
      router: { forwarding: true },
      b: { routes: ['default via 2001:db8:2::fe'] },
    },
    links: {
      near: pairOf('a', `${left.address}/64`, 'router', '2001:db8:1::fe/64'),
      far: pairOf('router', '2001:db8:2::fe/64', 'b', `${right.address}/64`),
    },
  });
  const { a, b, router } = nodes;
  if (!(await canClamp(a))) lab.skip('this kernel has no nf_tables for IP');
  await router.succeed(['ip6tables-legacy', '-w', '-A', 'FORWARD', ...TOO_LONG]);
  const agents = [await startMtuAgent(lab, a, left, right, {}), await startMtuAgent(lab, b, right, left, {})];
  await settledMtu(agents, 'a Child SA', () => true);
  assert.equal(await transfers(a, b, right.address, 8_000), false, 'without clamps it hangs');
  const [first] = agents as [AgentProcess];
  first.reload(mtuConfiguration(left, right, { mssClamp: 1_200 }));
  await clampedTo(first, (ipv4) => ipv4 === 1_200, { children: 1 });
  await expectTransfers(lab, { a, b }, [left.address, right.address]);
  for (const agent of agents) assert.equal((await agent.stop()).code, 0, agent.log());
}

async function runUnsupported(lab: Lab): Promise<void> {
  const { a, b, client } = await nodesBehindRouter(lab);
  if (await canClamp(a)) lab.skip('this kernel has nf_tables for IP');
  const agents = [await startMtuAgent(lab, a, A, B, peer(OF_A, 'Auto')), await startMtuAgent(lab, b, B, A, peer(OF_B))];
  await settledMtu(agents, 'two Child SAs', () => true, { children: 2 });
  await expectPing(client, SERVER);
  const said = async () => {
    const status = await (agents[0] as AgentProcess).status();
    return status.mssClampFailure === undefined ? undefined : status;
  };
  const { mssClampFailure = '', peers } = await waitUntil('the status to say that it cannot clamp', said);
  lab.step(mssClampFailure);
  assert.match(mssClampFailure, /^this kernel lacks what it takes .*CONFIG_NF_TABLES_INET/);
  assert.equal(peers[0]?.mssClamps, undefined);
  const text = await (agents[0] as AgentProcess).command('status');
  assert.match(text.stdout, /TCP segments are NOT CLAMPED: this kernel lacks/);
  for (const agent of agents) assert.equal((await agent.stop()).code, 0, agent.log());
}

/** A client behind a, a server behind b, and between a and b a router that drops long packets without a word. */
async function nodesBehindRouter(lab: Lab) {
  const { nodes } = await lab.topology({
    nodes: {
      client: { routes: ['default via 10.1.0.1'] },
      a: { forwarding: true, routes: ['default via 192.0.2.254'] },
      router: { forwarding: true },
      b: { forwarding: true, routes: ['default via 198.51.100.254'] },
      server: { routes: ['default via 10.2.0.1'] },
    },
    links: {
      left: pairOf('client', `${CLIENT}/24`, 'a', '10.1.0.1/24'),
      near: pairOf('a', `${A.address}/24`, 'router', '192.0.2.254/24'),
      far: pairOf('router', '198.51.100.254/24', 'b', `${B.address}/24`),
      right: pairOf('b', '10.2.0.1/24', 'server', `${SERVER}/24`),
    },
  });
  await nodes.router.succeed(['iptables-legacy', '-w', '-A', 'FORWARD', ...TOO_LONG]);
  return nodes;
}

function pairOf<Near extends string, Far extends string>(
  near: Near,
  nearAddress: string,
  far: Far,
  farAddress: string,
) {
  return {
    ends: [
      { node: near, interface: `to-${far}`, addresses: [nearAddress] },
      { node: far, interface: `to-${near}`, addresses: [farAddress] },
    ] as const,
  };
}

async function canClamp(node: LabNode): Promise<boolean> {
  const made = await node.run(['nft', 'add', 'table', 'inet', 'trial']);
  if (made.code === 0) await node.succeed(['nft', 'delete', 'table', 'inet', 'trial']);
  return made.code === 0;
}

/** The table as nft shows it; empty where there is none. */
async function listing(node: LabNode, table: string): Promise<string> {
  const listed = await node.run(['nft', 'list', 'table', 'inet', table]);
  return listed.code === 0 ? listed.stdout : '';
}

async function clampedTo(
  agent: AgentProcess,
  isSo: (ipv4: number) => boolean,
  { timeoutMs = 20_000, children = 2 } = {},
): Promise<void> {
  let seen: unknown;
  const isThere = async () => {
    const { peers, mssClampFailure } = await agent.status();
    const sizes = peers[0]?.mssClamps ?? [];
    seen = [sizes, mssClampFailure, peers[0]?.mtu];
    return sizes.length === children && sizes.every(({ ipv4 }) => isSo(ipv4));
  };
  await waitUntil('the status to show clamps', isThere, { timeoutMs }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
  });
}

/** Both ways, since one end alone clamps. */
async function expectAllTransfers(lab: Lab, ...pairs: readonly (readonly [LabNode, LabNode])[]): Promise<void> {
  for (const [left, right] of pairs) {
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      lab.step(`a large TCP transfer from ${from.name} to ${to.name}`);
      assert.ok(await transfers(from, to, ADDRESSES[to.name] ?? '', 60_000), 'it does not arrive');
    }
  }
}

function peer({ local, remote }: { readonly local: string; readonly remote: string }, mssClamp?: number | string) {
  const networks = { name: 'networks', mode: 'Tunnel', selectors: [{ local, remote }] };
  return {
    children: [{ name: 'hosts', mode: 'Tunnel' }, networks],
    ...(mssClamp === undefined ? {} : { mssClamp }),
  };
}

const TOO_LONG = ['-m', 'length', '--length', '1401:65535', '-j', 'DROP'];
const FOREIGN = `table inet foreign {
  chain input {
    type filter hook input priority 0
    tcp dport 22 accept
  }
}
`;
const A: MtuEnd = { name: 'a', address: '192.0.2.1' };
const B: MtuEnd = { name: 'b', address: '198.51.100.2' };
const CLIENT = '10.1.0.2';
const SERVER = '10.2.0.2';
const ADDRESSES: Readonly<Record<string, string>> = { a: A.address, b: B.address, client: CLIENT, server: SERVER };
const OF_A = { local: '10.1.0.0/24', remote: '10.2.0.0/24' };
const OF_B = { local: '10.2.0.0/24', remote: '10.1.0.0/24' };
