import { setTimeout as delay } from 'node:timers/promises';

import { AgentPair } from '../pair/agent-pair.ts';
import type { Scenario } from '../runner/scenario.ts';

const scenario: Scenario = {
  name: 'foreign-objects',
  description:
    'states and policies of others stay byte for byte: beside agents that run, reload, crash, restart and flush',
  usesAgent: true,
  timeoutMs: 120_000,
  run: async (lab) => {
    const pair = await AgentPair.create(lab);
    await pair.connect();
    await pair.expectForeignUntouched();
    lab.step('a peer is taken from the configuration and put back');
    const configuration = pair.configuration('a');
    pair.agent('a').reload(`${configuration.slice(0, configuration.indexOf('peers:'))}peers: []\n`);
    await pair.agent('a').logged('configuration applied');
    await delay(500);
    await pair.expectForeignUntouched();
    pair.agent('a').reload(configuration);
    await pair.settled();
    await pair.expectForeignUntouched();
    lab.step('both agents are killed');
    await Promise.all([pair.agent('a').kill(), pair.agent('b').kill()]);
    await pair.expectForeignUntouched();
    await pair.connect({ flushOnExit: true });
    await pair.expectForeignUntouched();
    // In here is that after a flush nothing else is left.
    await pair.close({ atLeastFrom: { a: 0, b: 0 } });
  },
};
export default scenario;
