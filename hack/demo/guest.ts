import { mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { onLink, startCapture } from '../lab/capture/capture.ts';
import { espPackets } from '../lab/capture/report.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';
import type { Daemon } from '../lab/topology/daemon.ts';
import type { LabNode } from '../lab/topology/lab-node.ts';
import { createTopology } from '../lab/topology/topology.ts';
import { type MeshNode, meshNodes, nodeConfiguration, secretFile } from './mesh.ts';
import { brokenPromises, type DemoResult } from './verdict.ts';

/*
 * The part of the demo that runs in the kernel with ESP: one network namespace a node, all on one wire, an agent in
 * each; it tells on standard output what it does and leaves the result in LAB_OUTPUT.
 */

const [agentFile = '', startedText = ''] = process.argv.slice(2);
const outputFolder = process.env['LAB_OUTPUT'] ?? '';
const daemons: Daemon[] = [];
let stepNumber = 0;

async function demo(): Promise<void> {
  step(`${meshNodes.length} nodes on one wire, each a network namespace of kernel ${release()}`);
  const topology = await createTopology(
    {
      nodes: Object.fromEntries(meshNodes.map((node) => [node.name, {}])),
      links: {
        wire: {
          ends: meshNodes.map(({ name, ipv4, ipv6 }) => ({
            node: name,
            interface: 'eth0',
            addresses: [`${ipv4}/24`, `${ipv6}/64`],
          })),
        },
      },
    },
    { logFolder: outputFolder, started: (daemon) => daemons.push(daemon) },
  );
  const nodeOf = (node: MeshNode): LabNode => found(topology.nodes[node.name], node.name);
  tell(meshNodes.map(({ name, ipv4, ipv6 }) => `${name} ${ipv4} ${ipv6}`).join('   '));

  step('Capturing everything that crosses the wire, before the first agent starts');
  const capture = await startCapture(onLink(found(topology.links.wire, 'wire'), join(outputFolder, 'wire.pcap')));

  step('Starting an agent on each node, from a configuration file and pre-shared keys');
  const files = writeConfigurations();
  const agents = meshNodes.map((node) => startAgent(nodeOf(node), found(files.get(node.name), node.name)));

  step('The agents negotiate IKEv2 with one another and install SAs by netlink');
  const perNode = 2 * (meshNodes.length - 1);
  for (const agent of agents) {
    await waitUntil(
      `${perNode} Child SAs of the ${agent.label}`,
      () => {
        if (agent.end !== undefined) throw new Error(`${agent.label} ended:\n${agent.log()}`);
        return agent.log().split('"Child SA established"').length > perNode;
      },
      { timeoutMs: 30_000 },
    );
  }
  tell(`${(perNode * meshNodes.length) / 2} pairs are up: every pair of nodes, by IPv4 and by IPv6`);

  step(`Pinging from every node to every other, ${PINGS} times by each family`);
  const pings = await Promise.all(
    meshNodes.flatMap((from) =>
      meshNodes
        .filter((to) => to !== from)
        .flatMap((to) => [to.ipv4, to.ipv6].map((address) => ping(nodeOf(from), from.name, to.name, address))),
    ),
  );
  for (const { text } of pings) tell(text);

  step('What crossed the wire');
  const report = await capture.stop();
  const associations = await countAssociations(meshNodes.map(nodeOf));
  const result: DemoResult = {
    nodes: meshNodes.length,
    sentPackets: pings.reduce((sum, { sent }) => sum + sent, 0),
    lostPackets: pings.reduce((sum, { sent, received }) => sum + sent - received, 0),
    espPackets: espPackets(report.total),
    plaintextPackets: report.total.plaintext,
    securityAssociations: associations,
    kernel: release(),
    seconds: Math.round((Date.now() - Number(startedText)) / 100) / 10,
  };
  const { ike, arp, neighbourDiscovery } = report.total;
  tell(`${result.espPackets} ESP packets, ${result.plaintextPackets} in plaintext, ${result.lostPackets} lost`);
  tell(`beside them ${ike} IKE messages and ${arp + neighbourDiscovery} of address resolution`);
  for (const sample of report.plaintextSamples) tell(`plaintext: ${sample}`);

  step('The SAs of node-a, as `agent status` shows them');
  const status = await nodeOf(found(meshNodes[0], 'node-a')).succeed([
    'node',
    agentFile,
    'status',
    '--socket',
    socketOf('node-a'),
  ]);
  process.stdout.write(`\n${status.trimEnd()}\n`);

  for (const agent of agents) await agent.stop();
  await topology.remove();
  writeFileSync(join(outputFolder, 'result.json'), JSON.stringify(result));
  const broken = brokenPromises(result, meshNodes.length * perNode * 2);
  for (const promise of broken) tell(`not as promised: ${promise}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}

function writeConfigurations(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const node of meshNodes) {
    const folder = join(outputFolder, node.name);
    mkdirSync(folder, { recursive: true });
    for (const other of meshNodes) {
      const name = secretFile(node, other);
      if (other !== node) writeFileSync(join(folder, name), `the demo's secret of ${name}\n`, { mode: 0o600 });
    }
    const file = join(folder, 'node.yaml');
    writeFileSync(file, nodeConfiguration(node));
    files.set(node.name, file);
  }
  return files;
}

function startAgent(node: LabNode, configurationFile: string): Daemon {
  const words = ['--config', configurationFile, '--socket', socketOf(node.name), '--log-format', 'json'];
  return node.spawn('agent', ['node', agentFile, ...words]);
}

function socketOf(name: string): string {
  return `/tmp/${name}.sock`;
}

interface PingCount {
  readonly sent: number;
  readonly received: number;
  readonly text: string;
}

async function ping(node: LabNode, from: string, to: string, address: string): Promise<PingCount> {
  const done = await node.run(['ping', '-n', '-q', '-c', String(PINGS), '-i', '0.05', '-W', '2', address]);
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(done.stdout);
  const sent = Number(counts?.[1] ?? PINGS);
  const received = Number(counts?.[2] ?? 0);
  const time = /= [\d.]+\/([\d.]+)\//.exec(done.stdout)?.[1];
  const average = time === undefined ? '' : `, ${time} ms on average`;
  return { sent, received, text: `${from} → ${to} (${address}): ${received} of ${sent} answered${average}` };
}

async function countAssociations(nodes: readonly LabNode[]): Promise<number> {
  const dumps = await Promise.all(nodes.map((node) => node.succeed(['ip', 'xfrm', 'state'])));
  return dumps.join('\n').split('proto esp').length - 1;
}

function step(text: string): void {
  stepNumber += 1;
  process.stdout.write(`\n${stepNumber}. ${text}\n`);
}

function tell(text: string): void {
  process.stdout.write(`   ${text}\n`);
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}

const PINGS = 20;

await demo();
