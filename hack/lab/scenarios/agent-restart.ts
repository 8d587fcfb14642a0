import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import { AgentPair, type PairEnd } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

/** How an agent is ended. */
const ends = { stop: 'SIGTERM', kill: 'SIGKILL' } as const;

/** Each end in turn is without an agent for so long. */
const absenceMs = 2000;

export default Object.entries(ends).map(
  ([how, signal]): Scenario => ({
    name: `agent-restart-${how}`,
    description: `agents end by ${signal} and start again, one after the other, under 200 packets/s: none is lost`,
    usesAgent: true,
    timeoutMs: 120_000,
    run: (lab) => run(lab, how as keyof typeof ends),
  }),
);

async function run(lab: Lab, how: keyof typeof ends): Promise<void> {
  const pair = await AgentPair.create(lab);
  await pair.connect();
  const stream = await pair.stream();
  for (const end of ['a', 'b'] as const) await restart(pair, end, how);
  await pair.expectNothingLost(stream);
  await pair.close({ atLeastFrom: { a: 1000, b: 1000 } });
}

async function restart(pair: AgentPair, end: PairEnd, how: keyof typeof ends): Promise<void> {
  const before = await pair.peer(end);
  pair.lab.step(`the agent of ${end} ends by ${ends[how]}`);
  await pair.agent(end)[how]();
  await delay(absenceMs);
  await pair.expectForeignUntouched();
  pair.lab.step(`the agent of ${end} starts again`);
  await pair.start(end, { flushOnExit: true });
  await pair.settled();
  await pair.expectForeignUntouched();
  const after = await pair.peer(end);
  const pairOf = ({ ikeSas: [sa] }: typeof before) => [sa?.initiatorSpi, sa?.children[0]?.inbound.spi];
  const [ikeSpi, inboundSpi] = pairOf(before);
  assert.ok(!pairOf(after).includes(ikeSpi) && !pairOf(after).includes(inboundSpi), 'new keys after the restart');
}
