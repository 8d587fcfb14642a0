import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

export default interopScenarios({
  name: 'children',
  description: 'three Child SAs on one IKE SA (CREATE_CHILD_SA), each for traffic of its own',
  settings: {
    children: [
      { name: 'first', traffic: { protocol: 'UDP', port: 7101 } },
      { name: 'second', traffic: { protocol: 'UDP', port: 7102 } },
      { name: 'pings', traffic: { protocol: 'ICMP' } },
    ],
  },
  run: async (link) => {
    await link.connect();
    const { ikeSas } = await link.peer();
    assert.equal(ikeSas.length, 1, 'one IKE SA for all');
    assert.deepEqual(new Set(ikeSas[0]?.children.map((child) => child.name)), new Set(['first', 'second', 'pings']));
    await link.exchange();
    link.lab.step('datagrams on the second Child SA');
    const stream = await link.stream(100, 7102);
    await link.passes(50);
    const [sent] = await stream.stop();
    expectNothingLost([sent]);
    const children = new Map((await link.peer()).ikeSas[0]?.children.map((child) => [child.name, child]));
    assert.equal(children.get('second')?.outbound.packets, sent.sent);
    assert.equal(children.get('first')?.outbound.packets, 0);
    await link.close();
  },
});
