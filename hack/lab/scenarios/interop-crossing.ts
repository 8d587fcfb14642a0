import { interopScenarios } from '../interop/interop-scenario.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

/** Longer than a daemon takes to begin once it is told to. */
const DELAY_MS = 150;

export default interopScenarios({
  name: 'crossing',
  description: 'both ends begin at the same time: one IKE SA with one Child SA is left, and nothing is lost meanwhile',
  roles: ['initiator'],
  timeoutMs: 120_000,
  run: async (link) => {
    await link.startDaemon();
    const { wire } = link.machines;
    for (const node of ['ours', 'theirs']) await wire.impair(node, { delayMs: DELAY_MS });
    await link.startAgent();
    link.lab.step(`${link.kind} begins, too, before our first message is there`);
    await link.daemon.initiate({ child: 'data' });
    for (const node of ['ours', 'theirs']) await wire.impair(node, {});
    await link.encrypting();
    await link.theyLog({ strongswan: 'initiating IKE_SA', libreswan: 'sent IKE_SA_INIT request' });
    const stream = await link.stream(200);
    await link.peerUntil(
      'one IKE SA with one Child SA',
      ({ ikeSas }) => ikeSas.length === 1 && ikeSas[0]?.children.length === 1,
      60_000,
    );
    await link.passes(200);
    expectNothingLost(await stream.stop());
    await link.expectSaCount(2);
    await link.exchange();
    await link.close({ early: true, blocked: 'sometimes' });
  },
});
