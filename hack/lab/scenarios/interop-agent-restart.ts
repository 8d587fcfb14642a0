import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import type { LinkSettings } from '../interop/link-settings.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

/*
 * A restart with somebody else's daemon at the other end, which knows of no earlier run: as the responder it sends on its
 * new SA from the moment that it has it, which is before we have it.
 */

/** The peer finds out that the IKE SA of the earlier run is dead, but not before the next run is there. */
const settings: LinkSettings = {
  strongswan: {
    connection: { dpd_delay: '2s' },
    charon: { retransmit_tries: 2, retransmit_timeout: 5, retransmit_base: 1 },
  },
  libreswan: { connection: { dpddelay: 2, 'retransmit-timeout': '15s' } },
};

export default (['stop', 'kill'] as const).flatMap((how) => [
  ...(['strongswan', 'libreswan'] as const).flatMap((peer) =>
    interopScenarios({
      name: `agent-restart-${how}`,
      description: `our agent ends (${how}) and starts again under 200 packets/s: none is lost`,
      peers: [peer],
      roles: ['initiator'],
      timeoutMs: 120_000,
      // For the kernel it is all the same whether an agent was told to end. Libreswan looks for a dead peer only if its
      // timer comes while our agent is away, which is up to chance; else it keeps the earlier run's Child until that expires.
      rare: how === 'kill' || peer === 'libreswan',
      settings,
      run: (link) => restartAndBegin(link, how),
    }),
  ),
  ...interopScenarios({
    name: `agent-restart-${how}`,
    description: `our agent ends (${how}) and waits again for the peer under 200 packets/s: none is lost`,
    roles: ['responder'],
    timeoutMs: 120_000,
    // For the kernel it is all the same whether an agent was told to end.
    rare: how === 'kill',
    settings,
    run: (link) => restartAndWait(link, how),
  }),
]);

async function restartAndBegin(link: InteropLink, how: 'stop' | 'kill'): Promise<void> {
  await link.connect({ flushOnExit: false });
  const before = (await link.peer()).ikeSas[0]?.initiatorSpi;
  const stream = await link.stream(200);
  await absence(link, how);
  await link.startAgent();
  const { ikeSas } = await link.encrypting();
  assert.notEqual(ikeSas[0]?.initiatorSpi, before, 'a new IKE SA');
  await link.expectSaCount(2, 40_000);
  expectNothingLost(await stream.stop());
  await link.close({ early: true });
}

async function restartAndWait(link: InteropLink, how: 'stop' | 'kill'): Promise<void> {
  await link.connect({ flushOnExit: false });
  const stream = await link.stream(200);
  await absence(link, how);
  await link.startAgent();
  expectNothingLost(await stream.stop());
  link.lab.step('the peer finds the earlier run dead and begins anew');
  await link.theyHaveNothing(40_000);
  await link.establish();
  await link.encrypting();
  await link.expectSaCount(2);
  await link.exchange();
  await link.close();
}

/** Our agent is away for less time than the peer needs to find out. */
async function absence(link: InteropLink, how: 'stop' | 'kill'): Promise<void> {
  link.lab.step('our agent ends');
  await link.agent[how]();
  await delay(1000);
}
