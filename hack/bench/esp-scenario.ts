import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { isSettled } from '../lab/agent/settled.ts';
import type { Lab, Scenario } from '../lab/runner/scenario.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';
import type { Section } from '../lab/strongswan/settings.ts';
import type { LabNode } from '../lab/topology/lab-node.ts';
import { dumpStates, type StateDump } from '../lab/xfrm/xfrm-dump.ts';
import { LabProcessor } from './lab-processor.ts';
import { READINGS_FILE } from './readings-file.ts';

/** Who has installed the SAs. */
export const installers = ['ikemesh', 'strongswan'] as const;
export type Installer = (typeof installers)[number];

/** What is sent through them: much by TCP, and small packets one by one, each of which is answered. */
export const traffics = ['stream', 'echoes'] as const;
export type Traffic = (typeof traffics)[number];

/** What one run of one kind of traffic through one pair of SAs took. */
export interface EspRun {
  readonly seconds: number;
  /** Processor time that went by meanwhile in this kernel, both ends of the pair and the programs included. */
  readonly cpuSeconds: number;
}

/** What was read in one kernel. */
export interface EspReadings {
  readonly kernel: string;
  /** What the SAs of both have in common: algorithm, mode, window. */
  readonly sa: string;
  readonly rounds: readonly Readonly<Record<Traffic, Readonly<Record<Installer, EspRun>>>>[];
}

const scenario = (name: string, rounds: number): Scenario => ({
  name,
  description: 'ESP with SAs that our agent has installed, beside SAs that strongSwan has installed',
  usesAgent: true,
  timeoutMs: 3_600_000,
  run: (lab) => measure(lab, rounds),
});

export default [scenario('esp-quick', 20), scenario('esp-full', 150)];

async function measure(lab: Lab, rounds: number): Promise<void> {
  const { nodes } = await lab.topology({
    nodes: { ours1: {}, ours2: {}, theirs1: {}, theirs2: {} },
    links: { ikemesh: link('ours'), strongswan: link('theirs') },
  });
  lab.step('two agents, and two strongSwans');
  await connectAgents(lab, nodes.ours1, nodes.ours2);
  await connectCharons(lab, nodes.theirs1, nodes.theirs2);
  const pairs = {
    ikemesh: { sender: nodes.ours1, receiver: nodes.ours2 },
    strongswan: { sender: nodes.theirs1, receiver: nodes.theirs2 },
  };
  const sa = await commonKind(Object.values(pairs));
  const streams = {
    ikemesh: await openStream(pairs.ikemesh),
    strongswan: await openStream(pairs.strongswan),
  };
  const processor = new LabProcessor(lab.folder);
  const readings: EspReadings['rounds'][number][] = [];
  // The first is forgotten: programs and pages that nothing has touched yet.
  for (let round = 0; round <= rounds; round += 1) {
    lab.step(`round ${round} of ${rounds}`);
    // Whoever is first in one round is second in the next.
    const order = round % 2 === 0 ? installers : installers.toReversed();
    const ofRound = { stream: {}, echoes: {} } as Record<Traffic, Record<Installer, EspRun>>;
    for (const installer of order) {
      ofRound.stream[installer] = await measured(processor, pairs[installer], STREAM_LEAST_PACKETS, streams[installer]);
    }
    for (const installer of order) {
      ofRound.echoes[installer] = await measured(processor, pairs[installer], ECHOES, () => echo(pairs[installer]));
    }
    if (round > 0) readings.push(ofRound);
  }
  const result: EspReadings = { kernel: release(), sa, rounds: readings };
  writeFileSync(join(lab.folder, READINGS_FILE), JSON.stringify(result));
}

interface Pair {
  readonly sender: LabNode;
  readonly receiver: LabNode;
}

/** Sends once; gives the seconds that it took. */
type Send = () => Promise<number>;

/** What it takes to send once. So many packets at least must have been encrypted. */
async function measured(
  processor: LabProcessor,
  { receiver }: Pair,
  leastPackets: number,
  send: Send,
): Promise<EspRun> {
  const before = await packetsIn(receiver);
  const begun = await processor.busySeconds();
  const seconds = await send();
  const cpuSeconds = (await processor.busySeconds()) - begun;
  const packets = (await packetsIn(receiver)) - before;
  assert.ok(packets >= leastPackets, `${packets} packets were decrypted, and ${leastPackets} at least were sent`);
  return { seconds, cpuSeconds };
}

/** A TCP connection that stays, so that no run has to wait for programs that start. */
async function openStream({ sender, receiver }: Pair): Promise<Send> {
  const words = [ADDRESSES.receiver, `${STREAM_BYTES}`];
  await receiver.spawn('sink', ['node', '--eval', SINK, ...words]).said(/^listening$/m);
  const source = sender.spawn('source', ['node', '--eval', SOURCE, ...words]);
  await source.said(/^connected$/m);
  let run = 0;
  return async () => {
    run += 1;
    source.write('\n');
    const line = new RegExp(`^${run} took (\\S+) s$`, 'm');
    await source.said(line, 120_000);
    return Number(line.exec(source.log())?.[1]);
  };
}

/** Each packet waits for the answer to the one before; the kernel answers, so that no program has to wake up for it. */
async function echo({ sender }: Pair): Promise<number> {
  const words = ['ping', '-f', '-q', '-c', `${ECHOES}`, ADDRESSES.receiver];
  const output = await sender.succeed(words, { timeoutMs: 120_000 });
  const [, received, milliseconds] = /(\d+) received, .*time (\d+)ms/.exec(output) ?? [];
  assert.equal(Number(received), ECHOES, output);
  return Number(milliseconds) / 1_000;
}

/** Packets that the SAs towards the receiver have decrypted. */
async function packetsIn(receiver: LabNode): Promise<number> {
  const states = await dumpStates(receiver);
  return states.reduce((sum, { destination, packets }) => sum + (destination === ADDRESSES.receiver ? packets : 0), 0);
}

/** What all SAs are; throws where they differ in what decides how much work they are. */
async function commonKind(pairs: readonly Pair[]): Promise<string> {
  const kinds = new Set<string>();
  const windows = new Set<string>();
  for (const { sender, receiver } of pairs) {
    for (const state of [...(await dumpStates(sender)), ...(await dumpStates(receiver))]) kinds.add(kindOf(state));
    const inbound = (await dumpStates(receiver)).filter(({ destination }) => destination === ADDRESSES.receiver);
    // An outbound one has a window that nothing looks at.
    for (const { text } of inbound) windows.add(/replay_window (\d+), bitmap-length/.exec(text)?.[1] ?? 'none');
  }
  const found = `${[...kinds].join(' and ')}, replay window ${[...windows].join(' and ')}`;
  assert.ok(kinds.size === 1 && windows.size === 1, `SAs of ikemesh and strongSwan differ: ${found}`);
  return found;
}

function kindOf({ mode, flags, text }: StateDump): string {
  const algorithms = [...text.matchAll(/^\t(?:aead|auth-trunc|enc) (\S+) 0x[0-9a-f]+ (\(\d+ bits\))/gm)];
  const named = algorithms.map(([, name, bits]) => `${name} ${bits}`).join(', ');
  return `${named}, ${mode} mode${flags.includes('esn') ? ', ESN' : ''}`;
}

function link(end: 'ours' | 'theirs') {
  return {
    ends: [
      { node: `${end}1`, interface: 'eth0', addresses: [`${ADDRESSES.sender}/24`] },
      { node: `${end}2`, interface: 'eth0', addresses: [`${ADDRESSES.receiver}/24`] },
    ],
  };
}

async function connectAgents(lab: Lab, sender: LabNode, receiver: LabNode): Promise<void> {
  const start = (node: LabNode, own: keyof typeof ADDRESSES, other: keyof typeof ADDRESSES) => {
    const configuration = stringify({
      node: { name: own, identity: { fqdn: `${own}.lab.test` }, addresses: [ADDRESSES[own]] },
      peers: [
        {
          name: other,
          address: ADDRESSES[other],
          identity: { fqdn: `${other}.lab.test` },
          authentication: { preSharedKey: { file: 'esp.psk' } },
          proposals: { esp: [ESP] },
        },
      ],
    });
    return lab.agent(node, configuration, { files: { 'esp.psk': `${SECRET}\n` } });
  };
  const agents = [await start(sender, 'sender', 'receiver'), await start(receiver, 'receiver', 'sender')];
  for (const agent of agents) await agent.ready();
  await waitUntil(
    'both agents to have one pair of SAs',
    async () => (await Promise.all(agents.map((agent) => agent.status()))).every((status) => isSettled(status)),
    { timeoutMs: 60_000 },
  );
}

async function connectCharons(lab: Lab, sender: LabNode, receiver: LabNode): Promise<void> {
  const swanctl = (own: keyof typeof ADDRESSES, other: keyof typeof ADDRESSES): Section => ({
    connections: {
      esp: {
        version: 2,
        local_addrs: ADDRESSES[own],
        remote_addrs: ADDRESSES[other],
        local: { auth: 'psk', id: `${own}.lab.test` },
        remote: { auth: 'psk', id: `${other}.lab.test` },
        children: { esp: { mode: 'transport', esp_proposals: ESP, replay_window: REPLAY_WINDOW } },
      },
    },
    secrets: { 'ike-esp': { secret: SECRET } },
  });
  await lab.charon(receiver, { swanctl: swanctl('receiver', 'sender') });
  const charon = await lab.charon(sender, { swanctl: swanctl('sender', 'receiver') });
  await charon.establish({ child: 'esp' });
}

const ADDRESSES = { sender: '192.0.2.1', receiver: '192.0.2.2' } as const;
const ESP = 'aes256gcm16-esn';
/** As our agent asks the kernel for; strongSwan's own is 32. */
const REPLAY_WINDOW = 1_024;
const SECRET = 'the secret of this pair, long enough';
/** Some tenths of a second each: the machine is hardly another one for the second run of a round. */
export const STREAM_BYTES = 8_000_000;
export const ECHOES = 4_000;
/** No packet of a stream carries more, were segments put together once they are decrypted. */
const STREAM_LEAST_PACKETS = Math.ceil(STREAM_BYTES / 65_536);
const SINK = `
const [address, bytes] = process.argv.slice(1);
let left = Number(bytes);
const server = require('node:net').createServer((socket) => {
  socket.on('data', (chunk) => {
    left -= chunk.length;
    if (left > 0) return;
    left += Number(bytes);
    socket.write('.');
  });
});
server.listen(7300, address, () => console.log('listening'));`;
const SOURCE = `
const [address, bytes] = process.argv.slice(1);
const chunk = Buffer.alloc(65536);
let runs = 0;
const socket = require('node:net').connect(7300, address, () => console.log('connected'));
process.stdin.on('data', () => {
  const begun = performance.now();
  let left = Number(bytes);
  const fill = () => {
    while (left > 0) {
      const piece = chunk.subarray(0, Math.min(left, chunk.length));
      left -= piece.length;
      if (!socket.write(piece)) return socket.once('drain', fill);
    }
  };
  socket.once('data', () => console.log(++runs + ' took ' + (performance.now() - begun) / 1000 + ' s'));
  fill();
});`;
