import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { Packet } from '../capture/packet.ts';
import { AgentPair, type PairEnd, pairAddresses } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { expectPing, ping } from '../traffic/counted-pings.ts';
import { isAgents } from '../xfrm/foreign-objects.ts';
import { dumpPolicies, dumpStates } from '../xfrm/xfrm-dump.ts';

type Family = 'ipv4' | 'ipv6';
type Mode = 'transport' | 'tunnel';

const blocking = (['ipv4', 'ipv6'] as const).map(
  (family): Scenario => ({
    name: `agent-required-${family}`,
    description: `Required, ${family}: nothing leaves or is taken in in plaintext before the agent starts (agent block), before the first SA, and after a crash`,
    usesAgent: true,
    timeoutMs: 180_000,
    run: (lab) => runBlocking(lab, family),
  }),
);

const unblocking = (
  [
    ['ipv4', 'transport'],
    ['ipv6', 'tunnel'],
  ] as const
).map(
  ([family, mode]): Scenario => ({
    name: `agent-unblock-${mode}`,
    description: `Required, ${family}, ${mode} mode: agents are killed and their SAs are lost; \`agent unblock\` lets pass what is blocked, the next agents encrypt again`,
    usesAgent: true,
    timeoutMs: 180_000,
    run: (lab) => runUnblocking(lab, family, mode),
  }),
);

export default [...blocking, ...unblocking];

async function runBlocking(lab: Lab, family: Family): Promise<void> {
  const pair = await AgentPair.create(lab, { peer: (end) => peerOf(end, family, 'transport') });
  lab.step('no agent has been started on a yet: `agent block` from its configuration');
  const file = writeConfiguration(pair, 'a');
  const blocked = await lab.agentCommand(pair.node('a'), ['block', '--config', file]);
  assert.equal(blocked.code, 0, `${blocked.stdout}${blocked.stderr}`);
  await pair.expectForeignUntouched();
  await expectBlocked(pair, family);
  lab.step('its agent starts; nobody answers it');
  await pair.start('a');
  await expectBlocked(pair, family);
  lab.step('the agent of b starts');
  await pair.start('b', { flushOnExit: true });
  await pair.settled();
  await expectPing(pair.node('a'), pairAddresses.b[family]);
  const tight = await lab.agentCommand(pair.node('a'), ['leaks', '--seconds', '3', '--config', file]);
  assert.equal(tight.code, 0, `${tight.stdout}${tight.stderr}`);
  assert.match(tight.stdout, /^b: [1-9]\d* packets encrypted, 0 in plaintext$/m);
  lab.step('`agent block` beside an agent changes nothing');
  const before = await ownPolicies(pair, 'a');
  assert.equal((await lab.agentCommand(pair.node('a'), ['block', '--config', file])).code, 0);
  assert.deepEqual(await ownPolicies(pair, 'a'), before);
  lab.step('the agent of a crashes, that of b takes everything away, and the SAs of a end');
  await pair.agent('a').kill();
  await pair.agent('b').stop();
  await endSas(pair, 'a');
  await expectBlocked(pair, family);
  await pair.expectForeignUntouched();
  lab.step('both agents start again');
  await pair.connect({ flushOnExit: true });
  await expectPing(pair.node('a'), pairAddresses.b[family]);
  // What b sent while it had no agent is what a must not take in.
  const { packets } = await pair.close({ atLeastFrom: { a: 3, b: 3 }, allowed: isProbe }, REFUSALS);
  const probes = packets.filter(isProbe).length;
  assert.ok(probes >= 3 * PROBES, `${probes} datagrams of b in plaintext on the wire, ${3 * PROBES} were sent`);
}

async function runUnblocking(lab: Lab, family: Family, mode: Mode): Promise<void> {
  const pair = await AgentPair.create(lab, { peer: (end) => peerOf(end, family, mode) });
  await pair.connect();
  await expectPing(pair.node('a'), pairAddresses.b[family]);
  lab.step('both agents are killed, and b loses its SAs as by a reboot');
  await Promise.all([pair.agent('a').kill(), pair.agent('b').kill()]);
  await endSas(pair, 'b');
  await expectNoPing(pair, family);
  lab.step('`agent unblock` at both ends');
  for (const end of ['a', 'b'] as const) {
    const wrong = await lab.agentCommand(pair.node(end), unblockWords(pair, end, 'nobody'));
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /there is no nobody here, but [ab]/);
    const done = await lab.agentCommand(pair.node(end), unblockWords(pair, end, end === 'a' ? 'b' : 'a'));
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, mode === 'transport' ? /^2 policies let pass now/m : /^3 policies let pass now/m);
    await pair.expectForeignUntouched();
  }
  await expectPing(pair.node('a'), pairAddresses.b[family], { count: 10 });
  await expectPing(pair.node('b'), pairAddresses.a[family], { count: 10 });
  const words = ['leaks', '--seconds', '3', '--config', pair.agent('a').configurationFile];
  const leaking = await lab.agentCommand(pair.node('a'), words);
  assert.equal(leaking.code, 1, leaking.stderr);
  assert.match(
    leaking.stdout,
    /^b: 0 packets encrypted, [1-9]\d* in plaintext\n {2}IN PLAINTEXT: .* port 9, protocol 17$/m,
  );
  const until = Date.now() / 1_000;
  lab.step('both agents start again, which ends it');
  await pair.connect({ flushOnExit: true });
  await pair.expectForeignUntouched();
  await delay(500);
  await expectPing(pair.node('a'), pairAddresses.b[family], { count: 10 });
  const { packets } = await pair.close(
    { atLeastFrom: { a: 10, b: 10 }, allowed: ({ at = Infinity }) => at <= until },
    REFUSALS,
  );
  assert.ok(packets.filter(({ kind }) => kind === 'plaintext').length >= 40, 'pings in plaintext while unblocked');
}

function peerOf(end: PairEnd, family: Family, mode: Mode): Readonly<Record<string, unknown>> {
  const [local, remote] = [pairAddresses[end][family], pairAddresses[end === 'a' ? 'b' : 'a'][family]];
  const children = [{ name: 'default', mode: 'Tunnel', selectors: [{ local, remote }] }];
  return { address: remote, localAddress: local, ...(mode === 'tunnel' ? { children } : {}) };
}

/** As an agent finds it that has not been started yet. */
function writeConfiguration(pair: AgentPair, end: PairEnd): string {
  const file = join(pair.lab.folder, `boot-${end}.yaml`);
  writeFileSync(file, pair.configuration(end), { mode: 0o600 });
  writeFileSync(join(pair.lab.folder, 'pair.psk'), 'the secret of this pair, long enough\n', { mode: 0o600 });
  return file;
}

function unblockWords(pair: AgentPair, end: PairEnd, peer: string): readonly string[] {
  return ['unblock', '--config', pair.agent(end).configurationFile, '--peering', peer];
}

/** Neither does anything leave a, nor does it take in what b sends in plaintext. */
async function expectBlocked(pair: AgentPair, family: Family): Promise<void> {
  await expectNoPing(pair, family);
  const address = pairAddresses.a[family];
  const listener = pair.node('a').spawn('listener', ['node', '--eval', LISTENER, address, `${PROBE_PORT}`]);
  await listener.said(/^listening$/m);
  const datagrams = Array.from({ length: PROBES }, () => new Uint8Array(32));
  await pair.lab.sendDatagrams(pair.node('b'), { address, port: PROBE_PORT }, datagrams);
  await listener.exited();
  assert.match(listener.log(), /^0 received$/m);
}

async function expectNoPing(pair: AgentPair, family: Family): Promise<void> {
  const { sent, received } = await ping(pair.node('a'), pairAddresses.b[family], { count: 5 });
  assert.deepEqual([sent, received], [5, 0]);
}

/** As when their lifetimes end. */
async function endSas(pair: AgentPair, end: PairEnd): Promise<void> {
  const own = (await dumpStates(pair.node(end))).filter(({ reqid }) => isAgents(reqid));
  const lines = own.map(
    ({ source, destination, spi }) => `xfrm state delete src ${source} dst ${destination} proto esp spi ${spi}`,
  );
  if (lines.length > 0) await pair.node(end).ip(...lines);
}

async function ownPolicies(pair: AgentPair, end: PairEnd): Promise<readonly unknown[]> {
  const policies = await dumpPolicies(pair.node(end));
  return policies
    .filter(({ index }) => isAgents(index))
    .map(({ source, destination, direction, action, index, priority, templates }) => ({
      ...{ source, destination, direction, action, index, priority, templates },
    }));
}

function isProbe({ kind, summary }: Packet): boolean {
  return kind === 'plaintext' && summary.includes(`> ${PROBE_PORT}`);
}

const PROBE_PORT = 7_200;
const PROBES = 10;
/** Counters that what is refused on purpose raises. */
const REFUSALS = [
  ...['XfrmInTmplMismatch', 'XfrmInNoStates', 'XfrmInNoPols', 'XfrmInPolBlock'],
  ...['XfrmOutNoStates', 'XfrmOutPolBlock', 'XfrmAcquireError', 'XfrmOutStateInvalid'],
];
const LISTENER = `
const [address, port] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
let received = 0;
socket.on('message', () => { received += 1; });
socket.bind(Number(port), address, () => {
  console.log('listening');
  setTimeout(() => { console.log(received + ' received'); socket.close(); }, 4000);
});`;
