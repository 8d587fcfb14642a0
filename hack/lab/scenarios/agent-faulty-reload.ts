import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import { AgentPair } from '../pair/agent-pair.ts';
import type { Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';

const scenario: Scenario = {
  name: 'agent-faulty-reload',
  description: 'SIGHUP with a faulty file: each fault named with its path, and what runs goes on, under 200 packets/s',
  usesAgent: true,
  timeoutMs: 90_000,
  run: async (lab) => {
    const pair = await AgentPair.create(lab);
    await pair.connect({ flushOnExit: true });
    const stream = await pair.stream();
    const agent = pair.agent('a');
    const good = pair.configuration('a');
    const before = await pair.peer('a');
    let refusals = 0;
    for (const [what, change, said] of faults) {
      lab.step(what);
      const text = change(good);
      assert.notEqual(text, good, 'the file has a fault now');
      agent.reload(text);
      refusals += 1;
      const refused = () => agent.log().split('configuration not applied').length > refusals;
      await waitUntil('the agent to refuse the file', refused);
      const lines = agent.log().split('\n');
      assert.ok(
        lines.some((line) => line.includes('"level":"error"') && said.test(line)),
        `no line ${said} among:\n${lines.join('\n')}`,
      );
    }
    lab.step('the good file again');
    agent.reload(good);
    await agent.logged('nothing has changed');
    const after = await pair.peer('a');
    const spis = ({ ikeSas }: typeof before) =>
      ikeSas.map((sa) => [sa.initiatorSpi, sa.children.map((child) => [child.inbound.spi, child.outbound.spi])]);
    assert.deepEqual(spis(after), spis(before), 'the same SAs as before');
    // The faults are told in a moment; traffic goes on for longer, so that something would be lost.
    await delay(1_000);
    await pair.expectNothingLost(stream);
    await pair.close({ atLeastFrom: { a: 100, b: 100 } });
  },
};
export default scenario;

/** What is wrong, how it gets into the file, and what the log says of it. */
const faults: readonly (readonly [string, (good: string) => string, RegExp])[] = [
  ['an unknown field', (good) => good.replace('addresses:', 'adresses:'), /node\.adresses/],
  ['no YAML', (good) => `${good}\n  - {`, /pair|yaml|line/i],
  [
    'an address that is none',
    (good) => good.replace('address: 192.0.2.2', 'address: 192.0.2.256'),
    /peers\[0\]\.address/,
  ],
  ['a secret that is not there', (good) => good.replace('file: pair.psk', 'file: other.psk'), /other\.psk/],
  [
    'the same traffic for two peers',
    (good) => {
      const peer = good.slice(good.indexOf('  - name: b'));
      return good + peer.replace('name: b', 'name: c').replace('fqdn: b.', 'fqdn: c.');
    },
    /peers\[1\]/,
  ],
];
