import assert from 'node:assert/strict';

import type { InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import { ping } from '../traffic/counted-pings.ts';

export default interopScenarios({
  name: 'on-demand',
  description:
    'nobody begins before there is traffic: the first packet brings the SAs, and another one what was deleted',
  settings: (role) =>
    role === 'initiator'
      ? { ours: { peer: { initiation: 'OnDemand' } } }
      : { children: [{ name: 'data', strongswan: { start_action: 'trap' }, libreswan: { auto: 'ondemand' } }] },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    await expectNoSa(link);
    link.lab.step('the first packet');
    await sendPacket(link);
    const [first] = (await link.encrypting()).ikeSas;
    await link.exchange();
    if (link.role === 'initiator') await comesBackForTraffic(link, first?.number);
    await link.close({ blocked: 'sometimes', blockedAt: link.role === 'initiator' ? 'ours' : 'theirs' });
  },
});

/** The peer deletes the Child SA; a packet brings it back, on the IKE SA that stands, and nothing else does. */
async function comesBackForTraffic(link: InteropLink, ikeSa: number | undefined): Promise<void> {
  link.lab.step('the peer deletes the Child SA');
  const ended = await link.daemon.terminate({ child: 'data' });
  assert.equal(ended.code, 0, ended.stderr);
  await link.peerUntil('no Child SA', ({ ikeSas }) => ikeSas.every(({ children }) => children.length === 0));
  await sendPacket(link);
  const [only] = (await link.encrypting()).ikeSas;
  assert.equal(only?.number, ikeSa, 'the IKE SA that stood is used');
  await link.exchange();
}

/** Neither side has begun. */
async function expectNoSa(link: InteropLink): Promise<void> {
  assert.deepEqual((await link.peer()).ikeSas, [], 'IKE SAs of our agent before any traffic');
  assert.deepEqual(await link.daemon.listSas(), [], `IKE SAs of ${link.kind} before any traffic`);
}

/** A packet of the side that is to begin, for which there is no SA: the kernel drops it and asks for one. */
async function sendPacket(link: InteropLink): Promise<void> {
  const { ours, theirs } = link.payloadAddresses();
  const [from, to] =
    link.role === 'initiator' ? [link.machines.hosts.ours, theirs] : [link.machines.hosts.theirs, ours];
  await ping(from, to, { count: 1, waitMs: 100 });
}
