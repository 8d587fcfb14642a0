import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';

import type { AgentOptions, Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { succeed } from '../topology/completed.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { kernelText } from '../xfrm/foreign-objects.ts';

const address = '192.0.2.1';

const host: Scenario = {
  name: 'agent-refusals',
  description:
    'what the host or the file does not allow: one clear sentence or one a fault, exit code 3 or 2, no trace',
  usesAgent: true,
  timeoutMs: 90_000,
  run: async (lab) => {
    const node = await machine(lab);
    await portTaken(lab, node);
    await sameSocket(lab, node);
    await noCapability(lab, node);
    await notOurAddress(lab, node);
    await faultyFile(lab, node);
  },
};

const kernel: Scenario = {
  name: 'agent-kernel-without-esp',
  description: 'a kernel without ESP: one sentence that says so, exit code 3, no trace',
  usesAgent: true,
  run: async (lab) => {
    // A host's own kernel is not ours to take apart.
    if (process.env['LAB_KERNEL'] !== 'uml') lab.skip('only a guest of its own can do without ESP');
    const node = await machine(lab);
    const withEsp = await withoutEsp();
    try {
      await expectRefusal(lab, node, 3, [
        /^the kernel says .*: this kernel lacks ESP or the algorithm; load the modules esp4, esp6/,
      ]);
    } finally {
      await withEsp();
    }
    lab.step('the same host with the module');
    const agent = await lab.agent(node, configuration(), { files });
    await agent.ready();
    assert.equal((await agent.stop()).code, 0);
  },
};

export default [host, kernel];

async function machine(lab: Lab): Promise<LabNode> {
  const { nodes } = await lab.topology({
    nodes: { node: {} },
    links: { wire: { ends: [{ node: 'node', interface: 'eth0', addresses: [`${address}/24`] }] } },
  });
  return nodes.node;
}

async function portTaken(lab: Lab, node: LabNode): Promise<void> {
  for (const port of [500, 4500]) {
    lab.step(`UDP port ${port} is taken`);
    const other = node.spawn(`port-${port}`, ['nc', '-u', '-l', '-k', '-s', address, '-p', `${port}`]);
    await waitUntil(`port ${port} to be taken`, async () =>
      (await node.succeed(['ss', '-Huln', `sport = :${port}`])).includes(`${address}:${port}`),
    );
    await expectRefusal(lab, node, 3, [`UDP port ${port} of ${address} is taken by another program: stop it`]);
    await other.kill();
  }
}

async function sameSocket(lab: Lab, node: LabNode): Promise<void> {
  lab.step('an agent answers at the status socket already');
  const first = await lab.agent(node, configuration(), { files });
  await first.ready();
  const before = await kernelText(node);
  const agent = await lab.agent(node, configuration(), { files, socket: first.socket });
  await refused(agent, 3, [`another agent answers at ${first.socket}: stop it, or choose another --socket`]);
  assert.deepEqual(await kernelText(node), before, 'what the first agent has installed');
  assert.equal((await first.status()).node, 'node', 'the first agent still answers');
  assert.equal((await first.stop()).code, 0);
  await node.ip('xfrm policy flush');
}

async function noCapability(lab: Lab, node: LabNode): Promise<void> {
  lab.step('no CAP_NET_ADMIN');
  const under = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
  await expectRefusal(lab, node, 3, ['CAP_NET_ADMIN is missing; grant it to the agent'], { under });
}

async function notOurAddress(lab: Lab, node: LabNode): Promise<void> {
  lab.step('an address that the host does not have');
  const text = configuration().replaceAll(address, '192.0.2.9');
  const agent = await lab.agent(node, text, { files });
  await refused(agent, 3, [
    '192.0.2.9 is not an address of this host: add it to an interface, or correct node.addresses',
  ]);
}

async function faultyFile(lab: Lab, node: LabNode): Promise<void> {
  lab.step('a file with four faults');
  const [peer] = peers;
  const faulty = stringify({
    node: { ...local, adresses: [address] },
    peers: [
      { ...peer, authentication: { preSharedKey: { file: 'missing.psk' } } },
      {
        ...peer,
        name: 'second',
        children: [{ name: 'net', selectors: [{ local: '10.0.0.1/8', remote: '10.1.0.0/16' }] }],
      },
    ],
  });
  const agent = await lab.agent(node, faulty, { files });
  await refused(agent, 2, [/node\.adresses/, /missing\.psk/, /10\.0\.0\.1\/8/]);
}

async function expectRefusal(
  lab: Lab,
  node: LabNode,
  code: number,
  lines: readonly (string | RegExp)[],
  options: AgentOptions = {},
): Promise<void> {
  await refused(await lab.agent(node, configuration(), { files, ...options }), code, lines);
  const { states, policies } = await kernelText(node);
  assert.deepEqual([states, policies], [[], []], 'left in the kernel by an agent that refused to start');
}

/** It must have ended with this code after saying these lines and nothing else. */
async function refused(
  agent: Awaited<ReturnType<Lab['agent']>>,
  code: number,
  lines: readonly (string | RegExp)[],
): Promise<void> {
  const end = await agent.exited();
  const said = agent.log().trimEnd().split('\n');
  assert.deepEqual([end.code, said.length], [code, lines.length], agent.log());
  for (const [index, line] of lines.entries()) {
    const text = said[index] ?? '';
    assert.ok(typeof line === 'string' ? text.includes(line) : line.test(text), `not ${line}: ${text}`);
  }
}

/** Takes ESP out of the running kernel, and the way by which the kernel would load it again; gives the way back. */
async function withoutEsp(): Promise<() => Promise<void>> {
  const loader = readFileSync(moduleLoader, 'utf8');
  await succeed(['modprobe', '-r', ...espModules]);
  writeFileSync(moduleLoader, '\n');
  return async () => {
    writeFileSync(moduleLoader, loader);
    await succeed(['modprobe', '-a', ...espModules]);
  };
}

function configuration(): string {
  return stringify({ node: local, peers });
}

const local = { name: 'node', identity: { fqdn: 'node.lab.test' }, addresses: [address] };
const peers = [
  {
    name: 'peer',
    address: '192.0.2.2',
    identity: { fqdn: 'peer.lab.test' },
    authentication: { preSharedKey: { file: 'peer.psk' } },
    initiation: 'Never',
  },
];
const files = { 'peer.psk': 'a secret that nobody will ever use\n' };
const espModules = ['esp4', 'esp6'] as const;
/** The program that the kernel starts when it wants a module; none, where the file is empty. */
const moduleLoader = '/proc/sys/kernel/modprobe';
