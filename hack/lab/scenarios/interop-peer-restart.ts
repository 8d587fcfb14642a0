import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'peer-restart',
  description: 'the peer ends in order, which deletes its SAs, and starts again; nothing in plaintext meanwhile',
  run: async (link) => {
    await link.connect();
    await link.exchange();
    link.lab.step('the peer ends');
    await link.daemon.stop();
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
