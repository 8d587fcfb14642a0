import assert from 'node:assert/strict';

import { stringify } from 'yaml';

import type { AgentProcess } from '../agent/agent-process.ts';
import { expectOnlyEspAndIke } from '../capture/report.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { expectPing, ping } from '../traffic/counted-pings.ts';
import { expectNoXfrmDrops, readXfrmStat, xfrmStatChange } from '../xfrm/xfrm-stat.ts';

const scenario: Scenario = {
  name: 'agent-link-local',
  description: 'link-local addresses: two peers and a stranger have the same one, each on a link of its own',
  usesAgent: true,
  timeoutMs: 120_000,
  run,
};
export default scenario;

/** Interfaces of the node in the middle, its address on each link, and who is at the other end by the same address. */
const links = {
  eth0: { own: 'fe80::1', other: 'b' },
  eth1: { own: 'fe80::11', other: 'c' },
  eth2: { own: 'fe80::21', other: 'stranger' },
} as const;
const others = 'fe80::2';

async function run(lab: Lab): Promise<void> {
  const { nodes, links: wires } = await lab.topology({
    nodes: { a: {}, b: {}, c: {}, stranger: {} },
    links: { eth0: wire('eth0'), eth1: wire('eth1'), eth2: wire('eth2') },
  });
  const { a, b, c, stranger } = nodes;
  const captures = { eth0: await lab.capture(wires.eth0), eth1: await lab.capture(wires.eth1) };
  const drops = await readXfrmStat(a);

  lab.step('three agents');
  const ends = [await startAgent(lab, b, ['eth0']), await startAgent(lab, c, ['eth1'])];
  const middle = await startAgent(lab, a, ['eth0', 'eth1']);
  for (const agent of [middle, ...ends]) await encrypting(agent);

  lab.step('everything between the two addresses of a link is encrypted, in both directions');
  await expectPing(a, `${others}%eth0`, from(links.eth0.own, 'eth0'));
  await expectPing(a, `${others}%eth1`, from(links.eth1.own, 'eth1'));
  await expectPing(b, `${links.eth0.own}%eth0`, from(others, 'eth0'));
  await expectPing(c, `${links.eth1.own}%eth0`, from(others, 'eth0'));

  lab.step('the host that has the same address on a third link is nobody of ours');
  await expectPing(a, `${others}%eth2`, from(links.eth2.own, 'eth2'));
  await expectPing(stranger, `${links.eth2.own}%eth0`, from(others, 'eth0'));
  await expectNoXfrmDrops(a, drops);
  for (const capture of Object.values(captures)) {
    expectOnlyEspAndIke(await capture.stop(), { atLeastFrom: { a: 6 } });
  }

  lab.step('an interface is removed and made anew under its name');
  await a.ip('link del eth1');
  await a.ip(`link add eth1 type veth peer name a netns ${wires.eth1.wire.namespace}`);
  await wires.eth1.wire.ip('link set dev a master bridge up');
  await a.ip('link set dev eth1 up', `address add ${links.eth1.own}/64 dev eth1 nodad`);
  await waitUntil('our policies to be of the new interface', async () => {
    const index = (await a.succeed(['cat', '/sys/class/net/eth1/ifindex'])).trim();
    const sockets = await a.succeed(['ss', '-Hulpn']);
    const policies = await a.succeed(['ip', 'xfrm', 'policy', 'list', 'dir', 'out']);
    return index !== '' && sockets.includes(`[${links.eth1.own}]%eth1:500`) && policies.includes('dev eth1');
  });
  const again = await lab.capture(wires.eth1);
  await expectPing(a, `${others}%eth1`, from(links.eth1.own, 'eth1'));
  expectOnlyEspAndIke(await again.stop(), { atLeastFrom: { c: 3 } });

  lab.step('what comes in plaintext is dropped');
  await ends[0]?.stop();
  await b.ip('xfrm state flush', 'xfrm policy flush');
  const before = await readXfrmStat(a);
  assert.equal((await ping(b, `${links.eth0.own}%eth0`, from(others, 'eth0'))).received, 0, 'plaintext was answered');
  const dropped = xfrmStatChange(before, await readXfrmStat(a));
  assert.ok((dropped['XfrmInTmplMismatch'] ?? 0) >= 3, `dropped: ${JSON.stringify(dropped)}`);

  lab.step('the agent starts anew and takes over what it left');
  await middle.stop();
  const successor = await startAgent(lab, a, ['eth0', 'eth1'], ['--flush-on-exit']);
  await waitUntil('the pair with c to encrypt again', async () => {
    const { peers } = await successor.status();
    return peers.find((peer) => peer.name === 'c')?.state === 'encrypting';
  });
  await expectPing(a, `${others}%eth1`, from(links.eth1.own, 'eth1'));
  await successor.stop();
  assert.equal(await a.succeed(['ip', 'xfrm', 'policy']), '', 'policies were left');
  assert.equal(await a.succeed(['ip', 'xfrm', 'state']), '', 'SAs were left');
}

/** Linux gives every interface a link-local address of its own beside these, and might send from that one. */
function from(address: string, link: string) {
  return { from: `${address}%${link}` };
}

function wire(name: keyof typeof links) {
  const { own, other } = links[name];
  return {
    ends: [
      { node: 'a', interface: name, addresses: [`${own}/64`] },
      { node: other, interface: 'eth0', addresses: [`${others}/64`] },
    ],
  } as const;
}

/** Starts the agent of `a`, or of the node at the other end of the one link that is named. */
async function startAgent(
  lab: Lab,
  node: LabNode,
  on: readonly (keyof typeof links)[],
  more: readonly string[] = [],
): Promise<AgentProcess> {
  const inMiddle = node.name === 'a';
  const sides = on.map((name) => {
    const { own, other } = links[name];
    return inMiddle
      ? { peer: other, local: `${own}%${name}`, remote: `${others}%${name}` }
      : { peer: 'a', local: `${others}%eth0`, remote: `${own}%eth0` };
  });
  const configuration = stringify({
    node: {
      name: node.name,
      identity: { fqdn: `${node.name}.lab.test` },
      addresses: sides.map(({ local }) => local),
    },
    peers: sides.map(({ peer, remote }) => ({
      name: peer,
      address: remote,
      identity: { fqdn: `${peer}.lab.test` },
      authentication: { preSharedKey: { file: 'peers.psk' } },
    })),
  });
  const agent = await lab.agent(node, configuration, {
    files: { 'peers.psk': 'the secret of these links, long enough\n' },
    arguments: ['--log-level', 'debug', ...more],
  });
  await agent.ready();
  return agent;
}

async function encrypting(agent: AgentProcess): Promise<void> {
  await waitUntil('every peer to encrypt', async () => {
    const { peers } = await agent.status();
    return peers.every((peer) => peer.state === 'encrypting');
  });
}
