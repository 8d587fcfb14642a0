import { setTimeout as delay } from 'node:timers/promises';

import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import type { LifecycleMesh } from './mesh.ts';

/** One node is gone with all that its kernel had; some seconds later it is back, and its agent starts. */
export async function nodeRebooted(mesh: LifecycleMesh): Promise<void> {
  const name = 'a';
  // A machine takes its connections with it, and sends nothing while it is down, nor before it is allowed to.
  await mesh.traffic.disconnect();
  mesh.traffic.pause(name);
  await delay(SENT_MS);
  await mesh.withoutNodes(async () => {
    await mesh.wire.setConnected(name, false);
    await mesh.agent(name).kill();
    await mesh.forgetKernel(name);
    await delay(BOOT_MS);
    await mesh.wire.setConnected(name, true);
  });
  mesh.lab.step('the node is back');
  await mesh.start(name, { rebooted: true });
  mesh.traffic.resume(name);
  await mesh.settled();
}

/** A node has another address from one moment to the next, and all others are told. */
export async function nodeAddressChanged(mesh: LifecycleMesh): Promise<void> {
  const name = 'a';
  const before = mesh.addressOnLink(name);
  const ownAddresses = mesh.place.mode === 'transport';
  if (ownAddresses) {
    // What is bound to the address ends with it.
    await mesh.traffic.disconnect();
    await mesh.traffic.stop();
  }
  mesh.moveAddress(name);
  const after = mesh.addressOnLink(name);
  await mesh.node(name).ip(`address add ${after} dev eth0${after.includes(':') ? ' nodad' : ''}`);
  await mesh.node(name).ip(`address del ${before} dev eth0`);
  for (const other of mesh.others(name)) await mesh.node(other).ip(`route replace ${mesh.routeTo(name)}`);
  mesh.lab.step(`${name} has ${after} in place of ${before}`);
  await Promise.all(mesh.names.map((each) => mesh.reload(each)));
  if (ownAddresses) await mesh.traffic.start(mesh.ends());
  await mesh.settled();
}

/**
 * One node is not reached by anybody for a while. `forgetSeconds` is for how long each side may then receive on what it had,
 * since the other one may still send on it: until the liveness timeout of that one has ended.
 */
export async function nodeUnreachable(mesh: LifecycleMesh, seconds: number, forgetSeconds: number): Promise<void> {
  await mesh.withoutNodes(async () => {
    await mesh.wire.setConnected('a', false);
    await delay(seconds * 1000);
    await mesh.wire.setConnected('a', true);
  });
  mesh.lab.step('it is reached again');
  await waitUntil(
    'both ends to encrypt',
    async () => (await mesh.peers('a')).every(({ state }) => state === 'encrypting'),
    { timeoutMs: 90_000, intervalMs: 250 },
  );
  await mesh.settled(1, 1000 * forgetSeconds);
}

const BOOT_MS = 5_000;
/** What was sent last has arrived by then. */
const SENT_MS = 200;
