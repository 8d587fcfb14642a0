import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { HolderProcess } from '../agent/holder-process.ts';
import { AgentPair, type PairEnd, type PairSettings } from '../pair/agent-pair.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';

/** ESP in UDP, whose sockets end with the last process that has them. */
const settings: PairSettings = { peer: { natTraversal: 'Always' } };
/** Each end in turn is without an agent for so long. */
const absenceMs = 2000;
const ends = ['a', 'b'] as const;

/** Agents end and start again beside holders that stay. */
async function restarted(lab: Lab, how: 'stop' | 'kill'): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  const paths = await holdersOf(pair);
  await start(pair, paths.paths);
  const stream = await pair.stream();
  for (const end of ends) {
    lab.step(`the agent of ${end} ends by ${how === 'stop' ? 'SIGTERM' : 'SIGKILL'}, and is absent`);
    await pair.agent(end)[how]();
    await delay(absenceMs);
    await pair.expectForeignUntouched();
    await pair.start(end, { flushOnExit: true, holder: paths.paths[end] });
    await pair.settled();
  }
  await pair.expectNothingLost(stream);
  await expectHeld(pair);
  await pair.close({ atLeastFrom: { a: 1000, b: 1000 } });
}

/** As where a pod is replaced: a new holder comes, then agent and holder of before end, then a new agent comes. */
async function replaced(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  const { paths, holders } = await holdersOf(pair);
  await start(pair, paths);
  const stream = await pair.stream();
  for (const end of ends) {
    lab.step(`on ${end} a second holder takes over, then agent and holder of before end`);
    const successor = await lab.holder(pair.node(end), paths[end]);
    await successor.logged('took over 2 sockets');
    await pair.agent(end).stop();
    await holders[end].stop();
    await pair.start(end, { flushOnExit: true, holder: paths[end] });
    await pair.settled();
  }
  await pair.expectNothingLost(stream);
  await expectHeld(pair);
  await pair.close({ atLeastFrom: { a: 400, b: 400 } });
}

async function holdersOf(pair: AgentPair, of: readonly PairEnd[] = ends) {
  const folder = mkdtempSync(join(tmpdir(), 'holders-'));
  const paths = { a: join(folder, 'a.sock'), b: join(folder, 'b.sock') };
  const holders: Partial<Record<PairEnd, HolderProcess>> = {};
  for (const end of of) holders[end] = await pair.lab.holder(pair.node(end), paths[end]);
  return { paths, holders: holders as Readonly<Record<PairEnd, HolderProcess>> };
}

async function start(pair: AgentPair, paths: Readonly<Record<PairEnd, string>>): Promise<void> {
  pair.lab.step('both agents start beside their holders');
  await Promise.all(ends.map((end) => pair.start(end, { holder: paths[end] })));
  await pair.settled();
  for (const end of ends) {
    const { ikeSas } = await pair.peer(end);
    assert.ok(ikeSas[0]?.children[0]?.udpEncapsulation, 'the Child SA is not in UDP');
  }
  await expectHeld(pair);
}

async function expectHeld(pair: AgentPair): Promise<void> {
  for (const end of ends) {
    const isHeld = async (): Promise<boolean> => (await pair.agent(end).status()).holder?.state === 'holding';
    await waitUntil(`the sockets of ${end} to be held`, isHeld);
  }
}

function scenario(name: string, description: string, run: (lab: Lab) => Promise<void>): Scenario {
  return { name: `agent-holder-${name}`, description, usesAgent: true, timeoutMs: 120_000, run };
}

export default [
  scenario('kill', 'ESP in UDP: agents are killed and start again beside their holders; none is lost', (lab) =>
    restarted(lab, 'kill'),
  ),
  scenario('stop', 'ESP in UDP: agents end and start again beside their holders; none is lost', (lab) =>
    restarted(lab, 'stop'),
  ),
  scenario('replaced', 'ESP in UDP: agent and holder are replaced, the new holder first; none is lost', replaced),
];
