import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { parsePcap } from '../capture/pcap.ts';
import { udpOverIpv4 } from '../capture/udp-payload.ts';
import { AgentPair, pairAddresses } from '../pair/agent-pair.ts';
import type { Scenario } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { UdpEndpoint } from '../traffic/datagrams.ts';

const scenario: Scenario = {
  name: 'hostile-datagrams',
  description:
    'random bytes, truncated and bit-flipped messages at both ports, of a stranger and in the name of the peer: counted ' +
    'by reason, memory flat, no packet of the stream lost, the SAs stand',
  usesAgent: true,
  timeoutMs: 180_000,
  run: async (lab) => {
    const pair = await AgentPair.create(lab, {
      third: true,
      defaults: { liveness: { interval: '1s', timeout: '60s' } },
    });
    await pair.connect({ flushOnExit: true, logLevel: 'info' });
    await delay(3000);
    const recorded = recordedMessages(pair.captureFile);
    assert.ok(recorded.length >= 6, 'the messages of the initial exchanges and liveness checks were captured');
    await impersonate(pair.topology.nodes.third);
    const before = await pair.peer('a');
    const stream = await pair.stream();

    lab.step('a first round, after which memory is not to grow any more');
    const random = numbers(1);
    await round(pair, recorded, random);
    const memory = await residentKib(pair);
    const dropped = total(await droppedCounts(pair));
    const missed = await unreceived(pair.node('a'));
    lab.step(`${rounds} rounds more`);
    let sent = 0;
    for (let each = 0; each < rounds; each++) sent += await round(pair, recorded, random);

    const counts = await droppedCounts(pair);
    const accounted = total(counts) - dropped + (await unreceived(pair.node('a'))) - missed;
    lab.step(`${sent} sent, ${accounted} of them dropped and counted: ${JSON.stringify(counts)}`);
    assert.ok(accounted >= sent * leastShareDropped, `${accounted} of ${sent} datagrams were counted as dropped`);
    for (const reason of expectedReasons) assert.ok((counts[reason] ?? 0) > 0, `nothing was dropped as ${reason}`);
    const grown = (await residentKib(pair)) - memory;
    lab.step(`${grown} KiB more memory than after the first round`);
    assert.ok(grown < mostGrowthKib, `memory has grown by ${grown} KiB`);
    await pair.expectNothingLost(stream);
    const after = await pair.peer('a');
    assert.deepEqual(spis(after), spis(before), 'the SAs are those of before');
    await pair.close(
      {
        // What claims to be IKE and is not; and what claims to be ESP in UDP has no SA.
        allowed: ({ summary }) => /UDP \d+ > (500|4500),/.test(summary),
      },
      ['XfrmInNoStates', 'XfrmInHdrError', 'XfrmInError'],
    );
  },
};
export default scenario;

/** Sends one round of datagrams to `a` and gives their number. */
async function round(
  pair: AgentPair,
  recorded: readonly Uint8Array[],
  random: (below: number) => number,
): Promise<number> {
  const third = pair.topology.nodes.third;
  const { ipv4: target } = pairAddresses.a;
  const sources: readonly (UdpEndpoint | undefined)[] = [undefined, { address: pairAddresses.b.ipv4, port: 0 }];
  let sent = 0;
  for (const port of [500, 4500]) {
    for (const source of sources) {
      const datagrams = hostile(recorded, port === 4500, random);
      const from = source === undefined ? undefined : { ...source, port };
      await pair.lab.sendDatagrams(third, { address: target, port }, datagrams, from);
      sent += datagrams.length;
    }
  }
  return sent;
}

/**
 * Random bytes; copies of real messages, truncated, with a bit flipped, with another message ID; behind the non-ESP marker
 * on port 4500, mostly.
 */
function hostile(recorded: readonly Uint8Array[], marked: boolean, random: (below: number) => number): Uint8Array[] {
  const marker = (bytes: Uint8Array) => (marked && random(10) > 0 ? Uint8Array.of(0, 0, 0, 0, ...bytes) : bytes);
  const noise = Array.from({ length: perKind }, () => Uint8Array.from({ length: random(1400) }, () => random(256)));
  const pick = () => recorded[random(recorded.length)] ?? new Uint8Array(0);
  const truncated = Array.from({ length: perKind }, () => {
    const message = pick();
    return message.slice(0, random(message.length));
  });
  const flipped = Array.from({ length: perKind }, () => {
    const message = pick().slice();
    const at = random(message.length);
    message[at] = (message[at] ?? 0) ^ (1 << random(8));
    return message;
  });
  const renumbered = Array.from({ length: perKind }, () => {
    const message = pick().slice();
    message.set([0, 0, 0, random(16)], messageIdOffset);
    return message;
  });
  return [...noise, ...truncated, ...flipped, ...renumbered].map(marker);
}

/** The IKE messages on the wire so far, without the non-ESP marker. */
function recordedMessages(file: string): readonly Uint8Array[] {
  const parsed = parsePcap(readFileSync(file));
  if (!parsed.ok) throw new Error(`${file}: ${parsed.error}`);
  return parsed.value.packets.flatMap(({ bytes }) => {
    const datagram = udpOverIpv4(bytes);
    return datagram?.destinationPort === 500 ? [Uint8Array.from(datagram.data)] : [];
  });
}

/** Lets a node send in the name of `b`, without anybody's neighbour table noticing. */
async function impersonate(node: LabNode): Promise<void> {
  await node.sysctl('net.ipv4.conf.all.arp_announce=2', 'net.ipv4.conf.all.arp_ignore=1');
  await node.ip(`address add ${pairAddresses.b.ipv4}/32 dev lo`);
}

async function residentKib(pair: AgentPair): Promise<number> {
  const text = readFileSync(`/proc/${pair.agent('a').pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]);
}

async function droppedCounts(pair: AgentPair): Promise<Readonly<Record<string, number>>> {
  return (await pair.agent('a').status()).dropped;
}

/** UDP datagrams that never reached a socket's buffer, or no socket at all, since the node was made. */
async function unreceived(node: LabNode): Promise<number> {
  const text = await node.succeed(['cat', '/proc/net/snmp']);
  const [names = '', values = ''] = [...text.matchAll(/^Udp: (.*)$/gm)].map(([, line]) => line);
  const counts = new Map(names.split(' ').map((name, index) => [name, Number(values.split(' ')[index])]));
  return (counts.get('RcvbufErrors') ?? 0) + (counts.get('InCsumErrors') ?? 0);
}

function spis(peer: Awaited<ReturnType<AgentPair['peer']>>): readonly unknown[] {
  return peer.ikeSas.map((sa) => [sa.initiatorSpi, sa.responderSpi, sa.children.map((child) => child.inbound.spi)]);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** The same numbers for the same seed, by a linear congruence. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** RFC 7296 §3.1. */
const messageIdOffset = 20;
const perKind = 250;
const rounds = 2;
const leastShareDropped = 0.9;
const expectedReasons = ['short', 'malformed', 'unknownSpi', 'unexpectedResponse', 'reflected'];
const mostGrowthKib = 8 * 1024;
