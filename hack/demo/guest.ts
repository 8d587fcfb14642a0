import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

import { onLink, startCapture } from '../lab/capture/capture.ts';
import { espPackets } from '../lab/capture/report.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';
import type { Daemon } from '../lab/topology/daemon.ts';
import { createTopology, type Topology } from '../lab/topology/topology.ts';
import { DemoNode } from './demo-node.ts';
import { DevelopmentAuthority } from './development-authority.ts';
import { type Drops, readDrops } from './drops.ts';
import { readEchoReplies } from './echo-replies.ts';
import { continuousPings, pingAll } from './pings.ts';
import type { MeshPlan } from './plan-mesh.ts';
import { Story } from './story.ts';
import { brokenPromises, type DemoResult, verdictTable } from './verdict.ts';

/*
 * The part of the demo that runs in the kernel with ESP: one network namespace a node, all on one wire, an agent in
 * each; it tells on standard output what it does and leaves the result in LAB_OUTPUT.
 */

/** What the part on the host hands over, in LAB_OUTPUT. */
export interface Handover {
  readonly plan: MeshPlan;
  /** The agent's program. */
  readonly agentProgram: string;
  readonly startedMs: number;
  /** Steps that have been told already. */
  readonly steps: number;
}

const outputFolder = process.env['LAB_OUTPUT'] ?? '';
const { plan, agentProgram, startedMs, steps } = JSON.parse(
  readFileSync(join(outputFolder, 'handover.json'), 'utf8'),
) as Handover;
const story = new Story((text) => process.stdout.write(text), steps);
const daemons: Daemon[] = [];

async function demo(): Promise<void> {
  story.step(`${plan.nodes.length} nodes on one wire, each a network namespace of kernel ${release()}`);
  const { topology, wire } = await wiredNodes();
  for (const { name, addresses } of plan.nodes) story.tell(`${name} ${addresses.join(' ')}`);

  story.step('Capturing everything that crosses the wire, before the first agent starts');
  const capture = await startCapture(onLink(wire, join(outputFolder, 'wire.pcap')));

  const authority = new DevelopmentAuthority(plan.namespace);
  const nodes = await startAgents(topology, authority);
  const { rotated, ...counts } = await sendPackets(nodes, authority);

  story.step('What crossed the wire, and what was promised');
  const report = await capture.stop();
  const result: DemoResult = {
    nodes: nodes.length,
    sentPackets: counts.sent,
    lostPackets: counts.sent - counts.answered,
    droppedPackets: counts.drops.reduce((total, { packets }) => total + packets, 0),
    espPackets: espPackets(report.total),
    plaintextPackets: report.total.plaintext,
    securityAssociations: await countAssociations(nodes),
    certificatesRotated: rotated,
    kernel: release(),
    seconds: Math.round((Date.now() - startedMs) / 100) / 10,
  };
  const expected = 2 * plan.flows.length;
  story.tell(...verdictTable(result, expected));
  const { ike, arp, neighbourDiscovery } = report.total;
  story.tell(`beside them ${ike} IKE messages and ${arp + neighbourDiscovery} of address resolution`);
  const late = counts.answered - counts.heard;
  if (late > 0) story.tell(`${late} answers came when ping waited no more: late, not lost, says the kernel's count`);
  story.tell(...counts.drops.map(({ node, reason, packets }) => `dropped on ${node}: ${packets} by ${reason}`));
  story.tell(...report.plaintextSamples.map((sample) => `plaintext: ${sample}`));

  const shown = found(nodes[0], 'a node');
  story.step(`The SAs of ${shown.name}, as \`agent status\` shows them`);
  process.stdout.write(`\n${(await shown.statusText()).trimEnd()}\n`);

  for (const daemon of daemons) await daemon.stop();
  await topology.remove();
  writeFileSync(join(outputFolder, 'result.json'), JSON.stringify(result));
  const broken = brokenPromises(result, expected);
  story.tell(...broken.map((promise) => `not as promised: ${promise}`));
  process.exitCode = broken.length === 0 ? 0 : 1;
}

/** An agent on each node; ends when every one encrypts with all of its peers. */
async function startAgents(
  { nodes: machines }: Pick<Topology, 'nodes'>,
  authority: DevelopmentAuthority,
): Promise<readonly DemoNode[]> {
  story.step('A certificate for each node, and an agent that works from the manifests of its node');
  const nodes: DemoNode[] = [];
  for (const node of plan.nodes) {
    const demoNode = new DemoNode(node, found(machines[node.name], node.name), agentProgram);
    const serial = await demoNode.start(plan.folder, authority);
    nodes.push(demoNode);
    story.tell(`${node.name}: serial ${serial}, agent ${demoNode.words.join(' ')}`);
  }
  story.step('The agents negotiate IKEv2 with one another and install SAs by netlink');
  for (const node of nodes) await node.encrypts(flowsFrom(node.name), (line) => story.tell(line));
  story.tell(`${plan.flows.length / 2} pairs are up: every pair of nodes, by each family that both have`);
  return nodes;
}

/** What became of all pings. */
interface Counts {
  readonly sent: number;
  /** Replies by the count of the kernels. */
  readonly answered: number;
  /** Replies that ping has waited for. */
  readonly heard: number;
  readonly drops: readonly Drops[];
  readonly rotated: number;
}

/** Pings along all flows, then goes on with it while a certificate is renewed. */
async function sendPackets(nodes: readonly DemoNode[], authority: DevelopmentAuthority): Promise<Counts> {
  const counters = await readDrops(nodes.map(({ machine }) => machine));
  const repliesBefore = await countReplies(nodes);
  const machineOf = (name: string) => found(nodes.find((node) => node.name === name)?.machine, name);
  const flows = plan.flows.map((flow) => ({ ...flow, node: machineOf(flow.from) }));
  story.step(`Pinging from every node to every other, ${PINGS} times by each family`);
  const first = await pingAll(flows, PINGS);
  story.tell(...first.map(({ text }) => text));

  const renewed = found(nodes[1], 'a second node');
  story.step(`${renewed.name} gets a new key and a new certificate, while every node goes on pinging every other`);
  const pinging = continuousPings(flows, PINGS);
  const rotation = await rotate(renewed, nodes, authority);
  const during = await pinging.stop();
  story.tell(rotation.text, `${sum(during, 'sent')} pings meanwhile, ${sum(during, 'received')} of them answered`);
  story.tell(...during.filter(({ sent, received }) => received < sent).map(({ text }) => text));
  const pings = [...first, ...during];
  return {
    sent: sum(pings, 'sent'),
    answered: (await countReplies(nodes)) - repliesBefore,
    heard: sum(pings, 'received'),
    drops: await counters.since(),
    rotated: rotation.certificates,
  };
}

async function wiredNodes() {
  const topology = await createTopology(
    {
      nodes: Object.fromEntries(plan.nodes.map(({ name }) => [name, {}])),
      links: {
        wire: {
          ends: plan.nodes.map(({ name, addresses }) => ({
            node: name,
            interface: 'eth0',
            addresses: addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
          })),
        },
      },
    },
    { logFolder: outputFolder, started: (daemon) => daemons.push(daemon) },
  );
  // Whatever their addresses are, all of them are on the wire.
  for (const { name } of plan.nodes) {
    const others = plan.nodes.filter((other) => other.name !== name).flatMap(({ addresses }) => addresses);
    await found(topology.nodes[name], name).ip(...others.map((address) => `route add ${address} dev eth0`));
  }
  return { topology, wire: found(topology.links.wire, 'wire') };
}

/** Renews a node's certificate; waits until every peer has seen it proven, and until what was replaced is gone. */
async function rotate(
  renewed: DemoNode,
  nodes: readonly DemoNode[],
  authority: DevelopmentAuthority,
): Promise<{ readonly certificates: number; readonly text: string }> {
  const begun = performance.now();
  const serial = await renewed.renew(authority);
  const others = nodes.filter((node) => node !== renewed);
  const proven = async () => (await Promise.all(others.map((node) => node.provenSerials(renewed.name)))).flat();
  await waitUntil(
    `every peer to have the certificate ${serial} proven`,
    async () => {
      const serials = await proven();
      return serials.length > 0 && serials.every((each) => each === serial);
    },
    ROTATION,
  );
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  await waitUntil(
    'the replaced SAs to go',
    async () => (await countAssociations(nodes)) === 2 * plan.flows.length,
    ROTATION,
  );
  return {
    certificates: 1,
    text: `serial ${serial} is proven to ${others.map(({ name }) => name).join(' and ')} ${seconds} s later`,
  };
}

function flowsFrom(name: string): number {
  return plan.flows.filter(({ from }) => from === name).length;
}

async function countAssociations(nodes: readonly DemoNode[]): Promise<number> {
  const dumps = await Promise.all(nodes.map(({ machine }) => machine.succeed(['ip', 'xfrm', 'state'])));
  return dumps.join('\n').split('proto esp').length - 1;
}

async function countReplies(nodes: readonly DemoNode[]): Promise<number> {
  const replies = await Promise.all(nodes.map(({ machine }) => readEchoReplies(machine)));
  return replies.reduce((total, each) => total + each, 0);
}

function sum(pings: readonly { readonly sent: number; readonly received: number }[], of: 'sent' | 'received'): number {
  return pings.reduce((total, each) => total + each[of], 0);
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}

const PINGS = 20;
const ROTATION = { timeoutMs: 60_000, intervalMs: 200, say: (line: string) => story.tell(line) };

await demo();
