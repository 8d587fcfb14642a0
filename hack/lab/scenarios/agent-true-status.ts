import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import { isBypassPolicy } from '../../../agent/dataplane/ownership.ts';
import type { Overview } from '../../../agent/page/overview.ts';
import type { PeerReason } from '../../../agent/runtime/status/peer-verdict.ts';
import { AgentPair, type PairEnd, pairAddresses } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { succeed } from '../topology/completed.ts';
import { daemonStates } from '../xfrm/foreign-objects.ts';
import { dumpPolicies } from '../xfrm/xfrm-dump.ts';

/** A status must be right after so long. */
const toldWithinMs = 15_000;
const ends = ['a', 'b'] as const;
const metricsPort = 9617;

const settings = {
  // An agent that is frozen is asked whether it is alive after five seconds.
  peer: { liveness: { interval: '5s', timeout: '60s' } },
  metrics: { listen: `127.0.0.1:${metricsPort}`, statusPage: true },
} as const;

const scenarios: readonly Scenario[] = [
  {
    name: 'agent-true-status-kernel',
    description: 'SAs, keys, policies and the clock are tampered with: the status tells, what can be is mended',
    usesAgent: true,
    timeoutMs: 240_000,
    run: tamper,
  },
  {
    name: 'agent-true-status-path',
    description:
      'ESP is dropped while IKE passes, port 4500 is blocked, a peer is frozen: the status tells, and when it is over',
    usesAgent: true,
    filtersPackets: true,
    timeoutMs: 240_000,
    run: obstruct,
  },
  {
    name: 'agent-esp-dropped',
    description: 'ESP is dropped on the path while IKE passes: it goes in UDP, and the agents say so',
    usesAgent: true,
    filtersPackets: true,
    timeoutMs: 120_000,
    run: fallBack,
  },
];
export default scenarios;

async function tamper(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  await pair.connect({ flushOnExit: true });
  const stream = await pair.stream(50);
  await told(pair, 'a', 'Proven');
  await told(pair, 'b', 'Proven');
  assert.deepEqual(await repairs(pair, 'a'), { sa: 0, policy: 0 }, 'nothing is mended that nobody has touched');

  lab.step('a policy of a is removed');
  const removed = (await dumpPolicies(pair.node('a'))).find(
    (policy) => policy.direction === 'in' && isOurs(policy.index) && !isBypassPolicy(policy),
  );
  assert.ok(removed);
  const policies = async () => (await dumpPolicies(pair.node('a'))).filter(({ index }) => isOurs(index)).length;
  const before = await policies();
  await pair.node('a').ip(`xfrm policy delete src ${removed.source} dst ${removed.destination} dir in`);
  await waitUntil('it to come back', async () => (await policies()) === before, { timeoutMs: toldWithinMs });
  // Metrics are told anew once a second.
  await waitUntil('a to count it', async () => (await repairs(pair, 'a')).policy === 1);
  await told(pair, 'a', 'Proven');

  lab.step('what lets IKE pass at a is removed');
  const bypasses = (await dumpPolicies(pair.node('a'))).filter(isBypassPolicy);
  assert.notEqual(bypasses.length, 0);
  await pair
    .node('a')
    .ip(...bypasses.map(({ direction, index }) => `xfrm policy delete index ${index} dir ${direction}`));
  await waitUntil('it to come back', async () => (await policies()) === before, { timeoutMs: toldWithinMs });
  const restored = 1 + bypasses.length;
  await waitUntil('a to count it', async () => (await repairs(pair, 'a')).policy === restored);

  lab.step('the SA that a sends on is deleted');
  await deleteSa(pair, await sentOn(pair));
  await told(pair, 'a', 'Proven', 1);

  lab.step('the SA that a sends on gets another key');
  await replaceKey(pair, await sentOn(pair));
  await told(pair, 'a', 'Proven', 2);

  lab.step('the same while the agent of a is frozen: b says what comes, and both that packets pass once it is back');
  const spoilt = await sentOn(pair);
  pair.agent('a').freeze();
  await replaceKey(pair, spoilt);
  await told(pair, 'b', 'CannotDecrypt');
  pair.agent('a').thaw();
  await told(pair, 'a', 'Proven', 3);
  await told(pair, 'b', 'Proven');

  lab.step('the clock is set a day forward, and back again');
  for (const seconds of [86_400, -86_400]) {
    const now = Number(await succeed(['date', '+%s']));
    await succeed(['date', '--set', `@${now + seconds}`]);
    await delay(4_000);
    for (const end of ends) assert.equal((await pair.peer(end)).reason, 'Proven', `${end} with another time`);
  }
  assert.deepEqual(await repairs(pair, 'a'), { sa: 3, policy: restored });
  for (const { from, lost, sent } of await stream.stop()) lab.step(`of ${sent} packets from ${from} ${lost} were lost`);
  await pair.close({}, [
    'XfrmInNoStates',
    'XfrmInStateProtoError',
    'XfrmInStateSeqError',
    'XfrmOutNoStates',
    'XfrmInTmplMismatch',
  ]);
}

async function obstruct(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, { ...settings, peer: { ...settings.peer, natTraversal: 'Never' } });
  await pair.connect({ flushOnExit: true });
  const stream = await pair.stream(50);
  await told(pair, 'a', 'Proven');

  lab.step('the agent of b is frozen, its kernel goes on');
  pair.agent('b').freeze();
  const silent = await told(pair, 'a', 'PeerSilent');
  assert.equal(silent.state, 'encrypting');
  assert.match(silent.message, /packets come all the same/);
  pair.agent('b').thaw();
  await told(pair, 'a', 'Proven');

  lab.step('ESP is dropped on the path, IKE passes');
  for (const end of ends) await filter(pair, end, '-A', ['-p', 'esp']);
  for (const end of ends) {
    const { state, message } = await told(pair, end, 'NotArriving');
    assert.equal(state, 'established');
    assert.match(message, /ESP \(IP protocol 50\)/);
    assert.match(await metrics(pair, end), /^ikemesh_peers_by_reason\{reason="NotArriving"\} 1$/m);
    assert.match(await metrics(pair, end), /^ikemesh_peer_state\{peer="."\} 2$/m);
  }
  for (const end of ends) await filter(pair, end, '-D', ['-p', 'esp']);
  for (const end of ends) await told(pair, end, 'Proven');

  lab.step('all UDP of IKE is blocked, ESP passes');
  for (const end of ends) await filter(pair, end, '-A', ['-p', 'udp', '-m', 'multiport', '--dports', '500,4500']);
  for (const end of ends) await told(pair, end, 'PeerSilent');
  for (const end of ends) await filter(pair, end, '-D', ['-p', 'udp', '-m', 'multiport', '--dports', '500,4500']);
  for (const end of ends) await told(pair, end, 'Proven');
  for (const { from, lost, sent } of await stream.stop()) lab.step(`of ${sent} packets from ${from} ${lost} were lost`);
  await pair.close();
}

async function fallBack(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  await pair.connect({ flushOnExit: true });
  const stream = await pair.stream(50);
  await told(pair, 'a', 'Proven');
  lab.step('ESP is dropped on the path, IKE passes');
  for (const end of ends) await filter(pair, end, '-A', ['-p', 'esp']);
  const begun = performance.now();
  const fallen = await fellBack(pair);
  lab.step(`packets pass again after ${Math.round(performance.now() - begun)} ms; who fell back: ${fallen.join(', ')}`);
  for (const end of fallen) {
    assert.match(await metrics(pair, end), /^ikemesh_esp_fallbacks_total 1$/m);
    assert.match(pair.agent(end).log(), /ESP does not arrive; it is sent in UDP from here on/);
    assert.match(await get(pair, end, '/status/'), /^HTTP[/]1[.]1 200 OK.*<!doctype html>.*src="page[.]js"/s);
    const [, page = ''] = (await get(pair, end, '/status/overview.json')).split('\r\n\r\n');
    const { peers, events } = JSON.parse(page) as Overview;
    assert.deepEqual(
      peers.map(({ state, reason }) => [state, reason]),
      [['encrypting', 'FellBackToUDP']],
      'the status page shows it',
    );
    assert.ok(
      events.some(({ what, isTrouble }) => what === 'FellBackToUDP' && isTrouble),
      'and when it was',
    );
  }
  await delay(1_000);
  const after = await pair.stream(50, 7001);
  await delay(2_000);
  await pair.expectNothingLost(after);
  for (const { from, lost, sent } of await stream.stop()) lab.step(`of ${sent} packets from ${from} ${lost} were lost`);
  await pair.close();
}

/** Who fell back to ESP in UDP: the end that misses packets first, or both at once; the other one goes along. */
async function fellBack(pair: AgentPair): Promise<readonly PairEnd[]> {
  const said = async () => Promise.all(ends.map(async (end) => ({ end, peer: await pair.peer(end) })));
  const done = async () => {
    const both = await said();
    const inUdp = both.every(({ peer }) => peer.ikeSas[0]?.children[0]?.udpEncapsulation === true);
    const areProven = both.every(({ peer: { reason } }) => reason === 'Proven' || reason === 'FellBackToUDP');
    return inUdp && areProven && both.some(({ peer: { reason } }) => reason === 'FellBackToUDP');
  };
  await waitUntil('both ends to send ESP in UDP, and one to say why', done, {
    timeoutMs: 4 * toldWithinMs,
    intervalMs: 200,
  });
  const fallen = (await said()).filter(({ peer: { reason } }) => reason === 'FellBackToUDP');
  return fallen.map(({ end }) => end);
}

/** Waits until an agent says so of its peer, and has mended so many SAs. */
async function told(pair: AgentPair, end: PairEnd, reason: PeerReason, mended = 0, timeoutMs = toldWithinMs) {
  const begun = performance.now();
  let said = await pair.peer(end);
  await waitUntil(
    `${end} to say ${reason}; it says ${said.reason}: ${said.message}`,
    async () => {
      said = await pair.peer(end);
      return said.reason === reason && (mended === 0 || (await repairs(pair, end)).sa >= mended);
    },
    { timeoutMs, intervalMs: 200 },
  );
  pair.lab.step(
    `${end} says ${said.state}, ${reason}, after ${Math.round(performance.now() - begun)} ms: ${said.message}`,
  );
  return said;
}

/** The SA that a sends on. */
async function sentOn(pair: AgentPair) {
  const child = (await pair.peer('a')).ikeSas[0]?.children[0];
  const states = await daemonStates(pair.node('a'));
  const state = states.find(({ spi }) => spi === Number.parseInt(child?.outbound.spi ?? '', 16));
  assert.ok(state, 'a has an SA to send on');
  return state;
}

type State = Awaited<ReturnType<typeof sentOn>>;

function deleteSa(pair: AgentPair, { spi }: State): Promise<string> {
  return pair.node('a').ip(`xfrm state delete ${named(spi)}`);
}

async function replaceKey(pair: AgentPair, { spi, reqid }: State): Promise<void> {
  const { a, b } = pairAddresses;
  const node = pair.node('a');
  const words = (how: string) =>
    `xfrm state ${how} ${named(spi)} reqid ${reqid} mode transport replay-window 32 ` +
    `aead rfc4106(gcm(aes)) 0x${'5a'.repeat(36)} 128 sel src ${a.ipv4} dst ${b.ipv4}`;
  await node.ip(`xfrm state delete ${named(spi)}`);
  // A packet may have asked for an SA meanwhile: what the kernel has made for it is filled.
  const added = await node.run(['ip', ...words('add').split(' ')]);
  if (added.code !== 0) await node.ip(words('update'));
}

function named(spi: number): string {
  return `src ${pairAddresses.a.ipv4} dst ${pairAddresses.b.ipv4} proto esp spi ${spi}`;
}

function isOurs(index: number): boolean {
  return index >= 0x60000000;
}

async function filter(pair: AgentPair, end: PairEnd, how: '-A' | '-D', packets: readonly string[]): Promise<void> {
  await pair.node(end).succeed(['iptables-legacy', '-w', how, 'INPUT', ...packets, '-j', 'DROP']);
}

/** What an agent has put back. */
async function repairs(pair: AgentPair, end: PairEnd): Promise<{ readonly sa: number; readonly policy: number }> {
  const text = await metrics(pair, end);
  const of = (object: string) =>
    Number(new RegExp(`^ikemesh_kernel_repairs_total\\{object="${object}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  return { sa: of('sa'), policy: of('policy') };
}

function metrics(pair: AgentPair, end: PairEnd): Promise<string> {
  return get(pair, end, '/metrics');
}

async function get(pair: AgentPair, end: PairEnd, path: string): Promise<string> {
  const request = `GET ${path} HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n`;
  const script = `exec 3<>/dev/tcp/127.0.0.1/${metricsPort}; printf '${request}' >&3; cat <&3`;
  return succeed(pair.node(end).inside(['bash', '-c', script]));
}
