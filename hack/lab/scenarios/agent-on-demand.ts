import assert from 'node:assert/strict';

import { AgentPair, type PairEnd, pairAddresses } from '../pair/agent-pair.ts';
import type { Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectPing, ping } from '../traffic/counted-pings.ts';

/** The first packets of the named ends; each end begins for its own. */
function onDemand(name: string, what: string, firstPackets: readonly PairEnd[]): Scenario {
  return {
    name,
    description: `our agents are to begin on demand: no SA before the first packet, ${what}`,
    usesAgent: true,
    run: async (lab) => {
      const pair = await AgentPair.create(lab, { peer: { initiation: 'OnDemand' } });
      for (const end of ends) await pair.start(end, { flushOnExit: true });
      for (const end of ends) {
        const { ikeSas, state } = await pair.peer(end);
        assert.deepEqual(ikeSas, [], `SAs of ${end} before any traffic (${state})`);
      }
      lab.step('the first packet');
      const { wire } = pair.topology.links;
      const crossing = firstPackets.length > 1 ? firstPackets : [];
      for (const end of crossing) await wire.impairIke(end, ['delay', `${DELAY_MS}ms`]);
      await Promise.all(firstPackets.map((end) => ping(pair.node(end), there(end), { count: 1, waitMs: 100 })));
      for (const end of firstPackets) await hasBegun(pair, end);
      for (const end of crossing) await wire.impairIke(end, []);
      await pair.settled();
      lab.step('packets in both directions');
      await Promise.all(ends.map((end) => expectPing(pair.node(end), there(end), { count: 20 })));
      await pair.close({ atLeastFrom: { a: 40, b: 40 } }, ['XfrmOutNoStates']);
    },
  };
}

/** Waits until an end has begun by itself: no message of the other one got there before its own first packet. */
async function hasBegun(pair: AgentPair, end: PairEnd): Promise<void> {
  const agent = pair.agent(end);
  await waitUntil(`the packet of ${end} to ask for an SA`, async () => agent.log().includes('traffic asks for an SA'));
}

/** The other end's address. */
function there(end: PairEnd): string {
  return pairAddresses[end === 'a' ? 'b' : 'a'].ipv4;
}

/** Longer than two commands take to begin that are to begin at the same time, on a busy machine too. */
const DELAY_MS = 2000;
const ends = ['a', 'b'] as const;

export default [
  onDemand('agent-on-demand', 'one pair of them afterwards', ['b']),
  onDemand('agent-on-demand-crossing', 'and when both ends send one at the same time one pair of them remains', ends),
];
