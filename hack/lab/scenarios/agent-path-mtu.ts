import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { AgentProcess } from '../agent/agent-process.ts';
import { expectOnlyEspAndIke } from '../capture/report.ts';
import { settledMtu, startMtuAgent } from '../pair/mtu-agents.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { ping } from '../traffic/counted-pings.ts';
import { expectTransfers } from '../traffic/tcp-transfer.ts';

/** How two agents encrypt over a link of a certain MTU. */
interface Case {
  readonly mtu: number;
  readonly mode: 'Transport' | 'Tunnel';
  readonly esp: string;
  /** Default IPv4. */
  readonly family?: 'IPv4' | 'IPv6';
  readonly natTraversal?: 'Always';
}

/** Both modes and families, each kind of algorithm, UDP, and the links that there are; the names say which. */
const cases: readonly Case[] = [
  { mtu: 1_500, mode: 'Transport', esp: 'aes256gcm16-esn' },
  { mtu: 1_500, mode: 'Tunnel', esp: 'aes256-sha256-esn' },
  { mtu: 1_280, mode: 'Tunnel', esp: 'aes256gcm16-esn', natTraversal: 'Always' },
  { mtu: 9_000, mode: 'Tunnel', esp: 'chacha20poly1305-esn' },
  { mtu: 1_500, mode: 'Transport', esp: 'aes256-sha256-esn', family: 'IPv6' },
  { mtu: 9_000, mode: 'Tunnel', esp: 'aes256gcm16-esn', family: 'IPv6' },
  { mtu: 1_280, mode: 'Tunnel', esp: 'aes256gcm16-esn', family: 'IPv6' },
  { mtu: 1_280, mode: 'Transport', esp: 'aes256gcm16-esn', family: 'IPv6' },
];

const overLinks = cases.map((each): Scenario => {
  const { mtu, mode, esp, family, natTraversal } = each;
  const udp = natTraversal === undefined ? '' : '-udp';
  const how = `${mode.toLowerCase()}${udp}${family === undefined ? '' : '-ipv6'}`;
  return {
    name: `agent-path-mtu-${mtu}-${how}`,
    description: `a link of ${mtu}, ${how} mode, ${esp}: the status says to the byte what fits; longer packets with DF are told, large TCP transfers arrive whole`,
    usesAgent: true,
    timeoutMs: 120_000,
    run: (lab) => runOverLink(lab, each),
  };
});

const behindRouter: Scenario = {
  name: 'agent-path-mtu-router',
  description:
    'Required, tunnel mode for everything: a router whose address is within what is encrypted says in plaintext that packets are too long; it is heard, is in the status, and large TCP transfers arrive whole',
  usesAgent: true,
  timeoutMs: 120_000,
  run: runBehindRouter,
};

export default [...overLinks, behindRouter];

async function runOverLink(lab: Lab, { mtu, mode, esp, family = 'IPv4', natTraversal }: Case): Promise<void> {
  const [a, b] = ENDS[family];
  const { nodes, links } = await lab.topology({
    nodes: { a: {}, b: {} },
    links: {
      wire: {
        ends: [
          { node: 'a', interface: 'eth0', addresses: [`${a}/${PREFIX[family]}`] },
          { node: 'b', interface: 'eth0', addresses: [`${b}/${PREFIX[family]}`] },
        ],
        mtu,
      },
    },
  });
  const capture = await lab.capture(links.wire);
  const peer = (local: string, remote: string) => ({
    proposals: { esp: [esp] },
    ...(natTraversal === undefined ? {} : { natTraversal }),
    children: [{ name: 'default', mode, ...(mode === 'Tunnel' ? { selectors: [{ local, remote }] } : {}) }],
  });
  const agents = [
    await startMtuAgent(lab, nodes.a, { name: 'a', address: a }, { name: 'b', address: b }, peer(a, b)),
    await startMtuAgent(lab, nodes.b, { name: 'b', address: b }, { name: 'a', address: a }, peer(b, a)),
  ];
  const payload = await settledPayload(agents, mtu, mtu);
  lab.step(`${payload} bytes fit, says the status`);
  await expectFits(nodes.a, b, payload);
  const size = Math.min(1_400, payload) - ICMP_BYTES[family];
  const short = await ping(nodes.a, b, { count: 2, size, doNotFragment: true });
  assert.equal(short.received, 2, short.output);
  await expectTransfers(lab, nodes, [a, b]);
  await close(agents);
  expectOnlyEspAndIke(await capture.stop(), { atLeastFrom: { a: 100, b: 100 } });
}

async function runBehindRouter(lab: Lab): Promise<void> {
  const far = '198.51.100.2';
  const { nodes, links } = await lab.topology({
    nodes: {
      a: { routes: ['default via 192.0.2.254'] },
      router: { forwarding: true },
      b: { routes: ['default via 198.51.100.254'] },
    },
    links: {
      near: {
        ends: [
          { node: 'a', interface: 'eth0', addresses: [`${A}/24`] },
          { node: 'router', interface: 'eth0', addresses: ['192.0.2.254/24'] },
        ],
      },
      far: {
        ends: [
          { node: 'router', interface: 'eth1', addresses: ['198.51.100.254/24'] },
          { node: 'b', interface: 'eth0', addresses: [`${far}/24`] },
        ],
        mtu: NARROW,
      },
    },
  });
  const { a, b } = nodes;
  const capture = await lab.capture(links.near);
  // Everything, the router's own addresses with it.
  const children = (local: string, remote: string) => ({
    children: [{ name: 'default', mode: 'Tunnel', selectors: [{ local, remote }] }],
  });
  const agents = [
    await startMtuAgent(
      lab,
      a,
      { name: 'a', address: A },
      { name: 'b', address: far },
      children(`${A}/32`, '0.0.0.0/0'),
    ),
    await startMtuAgent(
      lab,
      b,
      { name: 'b', address: far },
      { name: 'a', address: A },
      children('0.0.0.0/0', `${A}/32`),
    ),
  ];
  await settledPayload(agents, 1_500, 1_500);
  lab.step('a packet that is too long for the way behind the router');
  await ping(a, far, { count: 2, size: 1_400 - ICMP_BYTES.IPv4, doNotFragment: true });
  const payload = await settledPayload(agents, 1_500, NARROW);
  lab.step(`${payload} bytes fit, says the status now`);
  const done = await ping(a, far, { count: 3, size: payload - ICMP_BYTES.IPv4, doNotFragment: true });
  assert.equal(done.received, 3, done.output);
  await expectTransfers(lab, { a, b }, [A, far]);
  await close(agents);
  const report = await capture.stop();
  expectOnlyEspAndIke(report, { atLeastFrom: { a: 100 } });
  assert.ok(report.total.icmpError > 0, 'the router has said in plaintext that a packet was too long');
}

/** What the first end's status says fits, once the kernel knows this much of the way. */
async function settledPayload(agents: readonly AgentProcess[], link: number, path: number): Promise<number> {
  const isSo = (mtu: { readonly link: number; readonly path: number }) => mtu.link === link && mtu.path === path;
  const { children } = await settledMtu(agents, `a way of ${path}`, isSo);
  return children[0]?.payload ?? 0;
}

/** A packet of so many bytes passes with DF; of one that is a byte longer the sender is told that it is too long. */
async function expectFits(node: LabNode, address: string, payload: number): Promise<void> {
  const size = payload - ICMP_BYTES[address.includes(':') ? 'IPv6' : 'IPv4'];
  const fits = await ping(node, address, { count: 2, size, doNotFragment: true });
  assert.equal(fits.received, 2, fits.output);
  const longer = await ping(node, address, { count: 2, size: size + 1, doNotFragment: true });
  assert.equal(longer.received, 0, longer.output);
  // By IPv6 the kernel tells it in a way that ping does not listen to.
  if (!address.includes(':')) assert.match(longer.output, /[Mm]essage too long/);
}

async function close(agents: readonly AgentProcess[]): Promise<void> {
  for (const agent of agents) assert.equal((await agent.stop()).code, 0, agent.log());
  await delay(100);
}

const A = '192.0.2.1';
const B = '192.0.2.2';
const ENDS = { IPv4: [A, B], IPv6: ['2001:db8::1', '2001:db8::2'] } as const;
const PREFIX = { IPv4: 24, IPv6: 64 } as const;
const NARROW = 1_280;
/** Headers of IP and ICMP. */
const ICMP_BYTES = { IPv4: 28, IPv6: 48 } as const;
