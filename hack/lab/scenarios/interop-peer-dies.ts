import type { PeerReport } from '../../../agent/runtime/status/report.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'peer-dies',
  description: 'the peer ends by SIGKILL and its machine forgets all: found dead, nothing in plaintext, back with it',
  timeoutMs: 90_000,
  settings: { ours: { peer: { liveness: { interval: '1s', timeout: '3s' } } } },
  run: async (link) => {
    await link.connect();
    await link.exchange();
    // A responder is more patient with an initiator that it has not heard of since: its answer may have got lost.
    const answers = ([sa]: PeerReport['ikeSas']) => sa !== undefined && sa.lastHeardSeconds < sa.ageSeconds;
    await link.peerUntil('the peer to answer a liveness check', ({ ikeSas }) => answers(ikeSas));
    link.lab.step('the peer dies');
    await link.daemon.kill();
    await link.forgetTheirKernel();
    await link.agent.logged('the peer no longer answers; is it running, and do UDP 500 and 4500 reach it?');
    await link.peerUntil('its SAs to be gone', ({ ikeSas }) => ikeSas.every((sa) => sa.state !== 'established'));
    await link.expectBlocked();
    await link.startDaemon();
    if (link.role === 'responder') await link.establish();
    await link.encrypting();
    await link.exchange();
    await link.expectSaCount(2);
    await link.close({ blocked: 'sometimes' });
  },
});
