import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
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

/** A holder is killed under its agent: nothing is lost, and the next holder has the sockets. */
async function holderDies(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  const { paths, holders } = await holdersOf(pair);
  await start(pair, paths, 'b');
  const stream = await pair.stream();
  lab.step('the holder of a is killed; its agent notices');
  await holders.a.kill();
  await waitUntil('the agent to say so', async () => (await pair.agent('a').status()).holder?.state === 'absent');
  lab.step('another holder comes; it is given the sockets, and the agent is killed');
  const next = await lab.holder(pair.node('a'), paths.a);
  await next.logged('an agent has its sockets held: 192.0.2.1 port 4500');
  await pair.agent('a').kill();
  await delay(absenceMs);
  await pair.start('a', { flushOnExit: true, holder: paths.a });
  await pair.settled();
  await pair.expectNothingLost(stream);
  lab.step('the next holder of a is killed, and then its agent: what comes meanwhile is lost');
  const unheld = await pair.stream(200, 7001);
  await next.kill();
  await waitUntil('the agent to say so', async () => (await pair.agent('a').status()).holder?.state === 'absent');
  await pair.agent('a').kill();
  await delay(absenceMs);
  await pair.start('a', { flushOnExit: true, holder: paths.a });
  await pair.settled();
  const [toB, toA] = await unheld.stop();
  lab.step(`without a holder ${toA.lost} of ${toA.sent} to a were lost, and ${toB.lost} of ${toB.sent} to b`);
  assert.ok(toA.lost >= 200, `only ${toA.lost} were lost: so the holder is not what kept the others`);
  assert.equal(toB.lost, 0, 'what was sent meanwhile');
  const told = pair.agent('a').log().split('no holder').length - 1;
  assert.equal(told, 1, `that there is no holder was told ${told} times`);
  const text = (await pair.agent('a').command('status')).stdout;
  assert.match(text, /sockets of port 4500: this agent's alone, without a holder at .* \(nobody is there\)/);
  await pair.close({ atLeastFrom: { a: 1000, b: 1000 } }, ['XfrmInNoStates']);
}

/** The agent as a child of its holder, which starts it again. */
async function parent(lab: Lab): Promise<void> {
  const pair = await AgentPair.create(lab, settings);
  const { paths } = await holdersOf(pair, ['b']);
  await pair.start('a', { holder: paths.a, isChildOfHolder: true });
  await pair.start('b', { flushOnExit: true, holder: paths.b });
  await pair.settled();
  const holder = pair.agent('a');
  const stream = await pair.stream();
  lab.step('the agent below the holder of a is killed, and started again by it');
  const first = childOf(holder.pid);
  process.kill(first, 'SIGKILL');
  await startedAgain(pair, first);
  lab.step('the holder is told to start it anew');
  const second = childOf(holder.pid);
  process.kill(holder.pid, 'SIGUSR2');
  await startedAgain(pair, second);
  await pair.expectNothingLost(stream);
  await expectHeld(pair);
  lab.step('the holder ends, and the agent before it; others take over what is in the kernel');
  const last = childOf(holder.pid);
  assert.equal((await holder.stop()).code, 0, holder.log());
  assert.throws(() => process.kill(last, 0), 'the agent has ended with its holder');
  await pair.start('a', { flushOnExit: true });
  await pair.settled();
  await pair.close({ atLeastFrom: { a: 400, b: 400 } });
}

async function startedAgain(pair: AgentPair, before: number): Promise<void> {
  await waitUntil('another agent', async () => {
    const child = childOf(pair.agent('a').pid);
    return child !== 0 && child !== before && (await pair.agent('a').command('status')).code === 0;
  });
  await pair.settled();
}

/** The one child of a process, 0 where it has none. */
function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  return Number(child);
}

async function holdersOf(pair: AgentPair, of: readonly PairEnd[] = ends) {
  const folder = mkdtempSync(join(tmpdir(), 'holders-'));
  const paths = { a: join(folder, 'a.sock'), b: join(folder, 'b.sock') };
  const holders: Partial<Record<PairEnd, HolderProcess>> = {};
  for (const end of of) holders[end] = await pair.lab.holder(pair.node(end), paths[end]);
  return { paths, holders: holders as Readonly<Record<PairEnd, HolderProcess>> };
}

async function start(pair: AgentPair, paths: Readonly<Record<PairEnd, string>>, staying?: PairEnd): Promise<void> {
  pair.lab.step('both agents start beside their holders');
  await Promise.all(ends.map((end) => pair.start(end, { holder: paths[end], flushOnExit: end === staying })));
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
  scenario(
    'dies',
    'ESP in UDP: a holder dies, another one is given the sockets; without any, the loss is counted',
    holderDies,
  ),
  scenario('parent', 'ESP in UDP: an agent that its holder starts is killed, and started anew; none is lost', parent),
];
