import assert from 'node:assert/strict';

import { leakFaults } from '../capture/report.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { expectPing, ping } from '../traffic/counted-pings.ts';

const scenario: Scenario = {
  name: 'lab-wire',
  description:
    'the lab itself: a wire of three nodes that loses, duplicates and is cut, with a routed network behind one',
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const ends = [1, 2, 3].map((number) => ({
    node: `n${number}`,
    interface: 'eth0',
    addresses: [`192.0.2.${number}/24`, `2001:db8::${number}/64`],
  }));
  const { nodes, links } = await lab.topology({
    nodes: {
      n1: { routes: ['198.51.100.0/24 via 192.0.2.3', '2001:db8:3::/48 via 2001:db8::3'] },
      n2: {},
      n3: { forwarding: true, loopback: ['198.51.100.1/24', '2001:db8:3::1/64'] },
    },
    links: { shared: { ends, mtu: 1400 } },
  });

  lab.step('everyone reaches everyone, and the networks behind');
  for (const address of ['192.0.2.3', '2001:db8::3', '198.51.100.1', '2001:db8:3::1']) {
    await expectPing(nodes.n1, address);
  }
  await expectPing(nodes.n2, '2001:db8::1');
  const tooLong = { size: 1400, doNotFragment: true, count: 1 } as const;
  assert.equal((await ping(nodes.n1, '192.0.2.2', tooLong)).received, 0, 'a packet longer than the wire’s MTU');

  lab.step('fragments are counted with the packet they belong to');
  const wire = await lab.capture(links.shared);
  await expectPing(nodes.n1, '192.0.2.2', { size: 2000, count: 2 });
  const report = await wire.stop();
  assert.equal(report.bySender.get('n1')?.plaintext, 4);
  assert.match(leakFaults(report).join(), /8 packets in plaintext/);

  lab.step('an impaired way loses or duplicates, in its direction only');
  await links.shared.impair('n2', { lossPercent: 100 });
  assert.equal((await ping(nodes.n1, '192.0.2.2', { count: 2 })).received, 0);
  await expectPing(nodes.n1, '192.0.2.3');
  await links.shared.impair('n2', { duplicatePercent: 100, delayMs: 20 });
  const doubled = await ping(nodes.n1, '192.0.2.2', { count: 2 });
  assert.deepEqual([doubled.received, doubled.duplicated >= 1], [2, true]);
  await links.shared.impair('n2', {});
  await expectPing(nodes.n1, '192.0.2.2');

  lab.step('a node that is cut off is back when it is joined again');
  await links.shared.setConnected('n3', false);
  assert.equal((await ping(nodes.n1, '192.0.2.3', { count: 1 })).received, 0);
  await links.shared.setConnected('n3', true);
  await expectPing(nodes.n1, '192.0.2.3');
}
