import assert from 'node:assert/strict';

import type { ProbeReport, TargetReport } from '../../../agent/runtime/probe/run-probe.ts';
import { AgentPair, type PairEnd, pairAddresses } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { daemonStates } from '../xfrm/foreign-objects.ts';

const scenarios: readonly Scenario[] = (['transport', 'tunnel'] as const).map((mode) => ({
  name: `agent-probe-${mode}`,
  description: `probes prove encryption in ${mode} mode by what the kernel decrypts and counts, and its absence, too`,
  usesAgent: true,
  filtersPackets: true,
  timeoutMs: 120_000,
  run: (lab: Lab) => run(lab, mode),
}));
export default scenarios;

async function run(lab: Lab, mode: Mode): Promise<void> {
  const pair = await AgentPair.create(lab, {
    peer: { natTraversal: 'Never', children: [{ name: 'default', mode: mode === 'tunnel' ? 'Tunnel' : 'Transport' }] },
  });
  await pair.connect({ flushOnExit: true });

  lab.step(`all probes pass, ${mode} mode`);
  const [a, b] = await probeBoth(pair, mode);
  for (const [end, report] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const expected = { probesSent: PROBES, answersReceived: PROBES, probesReceived: PROBES, answersSent: PROBES };
    assert.deepEqual(countsOf(report), expected, end);
    assert.ok(sum(report.outbound) >= 2 * PROBES, `${end} has encrypted ${sum(report.outbound)}`);
    assert.ok(sum(report.inbound) >= 2 * PROBES, `${end} has decrypted ${sum(report.inbound)}`);
    assert.deepEqual(report.refused, {});
  }
  assert.deepEqual(spisOf(a.outbound), spisOf(b.inbound), 'both count the same SA');

  lab.step('what a sends to b goes in plaintext: nothing of it is received, and the SA of a counts nothing');
  // What b sends before the probe of a listens, a answers with ICMP errors, which the SA would count.
  const past = [`udp dport ${portOf(mode)}`, 'icmp'].map(
    (traffic) => `src ${pairAddresses.a.ipv4} dst ${pairAddresses.b.ipv4} proto ${traffic} dir out`,
  );
  await pair.node('a').ip(...past.map((each) => `xfrm policy add ${each} priority 1`));
  const [plainA, plainB] = await probeBoth(pair, mode);
  await pair.node('a').ip(...past.map((each) => `xfrm policy delete ${each}`));
  assert.deepEqual([plainA.probesSent, sum(plainA.outbound)], [PROBES, 0]);
  assert.deepEqual([plainB.isHeard, plainB.probesReceived, sum(plainB.inbound)], [false, 0, 0]);
  assert.deepEqual([plainA.probesReceived, plainA.isHeard], [PROBES, true], 'b encrypts as before');
  assert.equal(plainB.answersReceived, 0, 'the answers of a are in plaintext as well');

  lab.step('ESP is dropped on the way to b: the SA of a counts, that of b does not');
  const drop = ['INPUT', '-p', 'esp', '-j', 'DROP'];
  await pair.node('b').succeed(['iptables-legacy', '-w', '-A', ...drop]);
  const [lostA, lostB] = await probeBoth(pair, mode);
  await pair.node('b').succeed(['iptables-legacy', '-w', '-D', ...drop]);
  assert.ok(sum(lostA.outbound) >= PROBES);
  assert.deepEqual([lostB.probesReceived, sum(lostB.inbound)], [0, 0]);

  lab.step('what is decrypted and then dropped by a packet filter is counted by the SA, and not received');
  const filtered = [
    'INPUT',
    '-p',
    'udp',
    '--dport',
    String(portOf(mode)),
    '-m',
    'policy',
    '--dir',
    'in',
    '--pol',
    'ipsec',
    '-j',
    'DROP',
  ];
  await pair.node('b').succeed(['iptables-legacy', '-w', '-A', ...filtered]);
  const [sentA, heldB] = await probeBoth(pair, mode);
  await pair.node('b').succeed(['iptables-legacy', '-w', '-D', ...filtered]);
  assert.equal(sentA.probesSent, PROBES);
  assert.deepEqual([heldB.probesReceived, sum(heldB.inbound) >= PROBES], [0, true]);
}

/** What both ends say of one another. */
async function probeBoth(pair: AgentPair, mode: Mode): Promise<readonly [TargetReport, TargetReport]> {
  const [a, b] = await Promise.all([probe(pair, 'a', 'b', mode), probe(pair, 'b', 'a', mode)]);
  pair.lab.step(`a: ${JSON.stringify(a)}`);
  pair.lab.step(`b: ${JSON.stringify(b)}`);
  return [a, b];
}

async function probe(pair: AgentPair, own: PairEnd, peer: PairEnd, mode: Mode): Promise<TargetReport> {
  const [local, remote] = [pairAddresses[own].ipv4, pairAddresses[peer].ipv4];
  const states = await daemonStates(pair.node(own));
  const reqids = [...new Set(states.map(({ reqid }) => reqid))];
  const plan = {
    token: '5a'.repeat(16),
    port: PORT,
    probes: PROBES,
    patienceSeconds: 4,
    targets: [{ name: peer, local, remote, mode, outerRemote: remote, reqids }],
  };
  const { code, stdout, stderr } = await pair.agent(own).program('probe', '--plan', JSON.stringify(plan));
  assert.equal(code, 0, stderr);
  const [target] = (JSON.parse(stdout) as ProbeReport).targets;
  assert.ok(target);
  return target;
}

function countsOf({ probesSent, answersReceived, probesReceived, answersSent }: TargetReport) {
  return { probesSent, answersReceived, probesReceived, answersSent };
}

function sum(counts: TargetReport['inbound']): number {
  return counts.reduce((total, { packets }) => total + packets, 0);
}

function spisOf(counts: TargetReport['inbound']): readonly string[] {
  return counts.map(({ spi }) => spi).sort();
}

function portOf(mode: Mode): number {
  return mode === 'transport' ? PORT : PORT + 1;
}

type Mode = 'transport' | 'tunnel';
const PORT = 62_000;
const PROBES = 10;
