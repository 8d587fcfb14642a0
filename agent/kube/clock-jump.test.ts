import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { MemoryDataplane } from '../dataplane/memory.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { runByManifests } from './testing/manifest-agent.ts';
import { NodeManifests, peerSlice } from './testing/node-manifests.ts';
import { pass } from './testing/passing-time.ts';

const HOUR = 3_600_000;

let folder = '';
let manifests: NodeManifests;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-clock-jump-'));
  mkdirSync(join(folder, 'in'));
  manifests = new NodeManifests(join(folder, 'in'));
  manifests.writeNodeConfig();
  manifests.writeSecret();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

function setClock(byMs: number): void {
  vi.setSystemTime(Date.now() + byMs);
}

/** An agent that has carried out what the manifests say. */
async function startAgent() {
  const run = await runByManifests(manifests, { folder, kernel: new MemoryDataplane({ clock: systemClock }) });
  await pass(5);
  const end = async (): Promise<void> => {
    let isOver = false;
    const ended = run.end().finally(() => {
      isOver = true;
    });
    while (!isOver) await pass(1);
    await ended;
  };
  const peers = () => run.agent.status()?.peers.map(({ name }) => name);
  return { ...run, end, peers, tunnels: () => run.told.at(-1)?.peerings?.[0]?.tunnels };
}

it('tells of a peer that is not reached after a minute, also when the clock is set back', async () => {
  manifests.writeSlice();
  const { tunnels, end } = await startAgent();
  expect(tunnels()).toMatchObject({ expected: 0, pending: 1 });
  setClock(-HOUR);
  await pass(65);
  expect(tunnels()).toMatchObject({ expected: 1, pending: 0, encrypting: 0 });
  await end();
});

it.each([
  ['forward', HOUR],
  ['back', -HOUR],
])('keeps a peer that stands in no slice any more for 30 s, also when the clock is set %s', async (_, byMs) => {
  manifests.writeSlice();
  const { peers, end } = await startAgent();
  expect(peers()).toEqual(['b-ipv4']);
  const uid = '00000000-0000-4000-8000-00000000000c';
  const identity = { fqdn: 'c.mesh.internal' };
  manifests.write('slice.yaml', peerSlice({ b: { uid, name: 'c', addresses: ['192.0.2.3'], identity } }));
  await pass(10);
  setClock(byMs);
  await pass(10);
  expect(peers()?.toSorted()).toEqual(['b-ipv4', 'c-ipv4']);
  await pass(35);
  expect(peers()).toEqual(['c-ipv4']);
  await end();
});
