import assert from 'node:assert/strict';

import { AgentPair } from '../pair/agent-pair.ts';
import type { Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';

const scenario: Scenario = {
  name: 'agent-lifetimes',
  description:
    'IKE SAs and Child SAs are replaced when their lifetimes end, again and again, under 200 packets/s: none lost',
  usesAgent: true,
  timeoutMs: 120_000,
  run: async (lab) => {
    const pair = await AgentPair.create(lab, { defaults: { lifetimes: { child: '10s', ike: '15s' } } });
    await pair.connect({ flushOnExit: true });
    const stream = await pair.stream();
    lab.step(`until ${replacements} of each have replaced what was there before`);
    const ikeSpis = new Set<string>();
    const childSpis = new Set<string>();
    await waitUntil(
      `${replacements} replacements of IKE SA and Child SA`,
      async () => {
        for (const sa of (await pair.peer('a')).ikeSas) {
          if (sa.state !== 'established') continue;
          ikeSpis.add(sa.initiatorSpi);
          for (const child of sa.children) childSpis.add(child.inbound.spi);
        }
        return ikeSpis.size > replacements && childSpis.size > replacements;
      },
      { timeoutMs: 80_000, intervalMs: 250 },
    );
    await pair.expectNothingLost(stream);
    await pair.settled();
    const { total } = await pair.close({ atLeastFrom: { a: 2000, b: 2000 } });
    assert.equal(total.plaintext, 0);
  },
};
export default scenario;

const replacements = 3;
