import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { LifecycleMesh, NodeStart } from './mesh.ts';

/** The agent of each node in turn ends, is away for a while, and starts again. */
export async function restartEach(mesh: LifecycleMesh, how: 'stop' | 'kill'): Promise<void> {
  for (const name of mesh.names) await restart(mesh, name, how);
}

/** The agents of all nodes end at the same time, and start again together. */
export async function restartTogether(mesh: LifecycleMesh): Promise<void> {
  await Promise.all(mesh.names.map((name) => mesh.agent(name).kill()));
  await delay(ABSENCE_MS);
  mesh.lab.step('all agents start again');
  await Promise.all(mesh.names.map((name) => mesh.start(name)));
  await mesh.settled();
}

/** Each node gets the agent of an earlier commit, then this one again, and then goes back. */
export async function upgradeAndRollBack(mesh: LifecycleMesh): Promise<void> {
  for (const start of [{ earlier: true }, {}, { earlier: true }]) {
    for (const name of mesh.names) await restart(mesh, name, 'stop', start);
  }
}

async function restart(mesh: LifecycleMesh, name: string, how: 'stop' | 'kill', start: NodeStart = {}): Promise<void> {
  const before = await spis(mesh, name);
  mesh.lab.step(`the agent of ${name} ends by ${SIGNALS[how]}`);
  await mesh.agent(name)[how]();
  await delay(ABSENCE_MS);
  mesh.lab.step(`${start.earlier === true ? 'an earlier agent' : 'the agent'} of ${name} starts`);
  await mesh.start(name, start);
  await mesh.settled();
  const after = await spis(mesh, name);
  assert.ok(
    after.every((spi) => !before.includes(spi)),
    `${name} still has keys from before its restart`,
  );
}

/** Of the inbound SAs of a node. */
async function spis(mesh: LifecycleMesh, name: string): Promise<readonly string[]> {
  const children = (await mesh.peers(name)).flatMap(({ ikeSas }) => ikeSas.flatMap((sa) => sa.children));
  return children.map(({ inbound }) => inbound.spi);
}

const SIGNALS = { stop: 'SIGTERM', kill: 'SIGKILL' } as const;
const ABSENCE_MS = 2_000;
