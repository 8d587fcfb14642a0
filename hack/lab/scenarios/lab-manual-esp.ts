import assert from 'node:assert/strict';

import { expectOnlyEspAndIke, leakFaults } from '../capture/report.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { expectPing } from '../traffic/counted-pings.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';
import { dumpPolicies, dumpStates } from '../xfrm/xfrm-dump.ts';
import { expectNoXfrmDrops, readXfrmStat } from '../xfrm/xfrm-stat.ts';

const scenario: Scenario = {
  name: 'lab-manual-esp',
  description: 'the lab itself: SAs set by hand encrypt a link, and the leak check fails without their policies',
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const { nodes, links } = await lab.topology({
    nodes: { a: {}, b: {} },
    links: {
      ab: {
        ends: [
          { node: 'a', interface: 'eth0', addresses: [addresses.a.ipv4, addresses.a.ipv6].map(onLink) },
          { node: 'b', interface: 'eth0', addresses: [addresses.b.ipv4, addresses.b.ipv6].map(onLink) },
        ],
      },
    },
  });

  lab.step('without policies the capture shows plaintext, and the leak check says so');
  const open = await lab.capture(links.ab, 'open');
  await pingBoth(nodes.a);
  const leak = await open.stop();
  assert.equal(leak.total.plaintext, 12, 'three echo requests and replies in each family');
  assert.match(leakFaults(leak).join(), /12 packets in plaintext: IPv4 192\.0\.2\.1 > 192\.0\.2\.2 ICMP type 8/);
  assert.throws(() => expectOnlyEspAndIke(leak));

  lab.step('with SAs and policies the capture shows ESP only');
  for (const family of ['ipv4', 'ipv6'] as const) {
    await encrypt(nodes.a, family, 'a', 'b');
    await encrypt(nodes.b, family, 'b', 'a');
  }
  const before = [await readXfrmStat(nodes.a), await readXfrmStat(nodes.b)] as const;
  const wire = await lab.capture(links.ab);
  await pingBoth(nodes.a);
  const stream = await lab.stream({
    ends: [
      { node: nodes.a, address: addresses.a.ipv6 },
      { node: nodes.b, address: addresses.b.ipv6 },
    ],
    rate: 200,
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expectNothingLost(await stream.stop());
  const report = await wire.stop();
  expectOnlyEspAndIke(report, { atLeastFrom: { a: 100, b: 100 } });
  await expectNoXfrmDrops(nodes.a, before[0]);
  await expectNoXfrmDrops(nodes.b, before[1]);

  lab.step('what the kernel counted agrees with what was captured');
  const states = await dumpStates(nodes.a);
  assert.equal(states.length, 4);
  const counted = states.reduce((sum, state) => sum + state.packets, 0);
  assert.equal(counted, report.total.esp);
  assert.deepEqual(new Set((await dumpPolicies(nodes.a)).map((policy) => policy.direction)), new Set(['in', 'out']));
}

async function pingBoth(node: LabNode): Promise<void> {
  await expectPing(node, addresses.b.ipv4);
  await expectPing(node, addresses.b.ipv6);
}

async function encrypt(node: LabNode, family: 'ipv4' | 'ipv6', own: 'a' | 'b', peer: 'a' | 'b'): Promise<void> {
  const [local, remote] = [addresses[own][family], addresses[peer][family]];
  const sa = (source: string, destination: string, spi: number) =>
    `xfrm state add src ${source} dst ${destination} proto esp spi ${spi} reqid 1 mode transport replay-window 64 ` +
    `aead rfc4106(gcm(aes)) ${key} 128`;
  const policy = (direction: string, source: string, destination: string) =>
    `xfrm policy add dir ${direction} src ${source} dst ${destination} tmpl proto esp reqid 1 mode transport`;
  // Neighbour discovery stays in the clear, or IPv6 could never begin.
  const discovery = ['in', 'out'].flatMap((direction) =>
    [133, 134, 135, 136, 137].map((type) => `xfrm policy add dir ${direction} proto ipv6-icmp type ${type} priority 1`),
  );
  await node.ip(
    sa(local, remote, spis[own]),
    sa(remote, local, spis[peer]),
    ...(family === 'ipv6' ? discovery : []),
    `${policy('out', local, remote)}`,
    `${policy('in', remote, local)}`,
  );
}

function onLink(address: string): string {
  return address.includes(':') ? `${address}/64` : `${address}/24`;
}

const addresses = {
  a: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  b: { ipv4: '192.0.2.2', ipv6: '2001:db8::2' },
} as const;
const spis = { a: 0x1001, b: 0x1002 } as const;
const key = `0x${'00112233445566778899'.repeat(4).slice(0, 40)}`;
