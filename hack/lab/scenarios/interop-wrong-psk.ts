import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'wrong-psk',
  description: 'different pre-shared keys: both ends fail cleanly, ours says at whom and what to do, nothing passes',
  settings: { secret: { ours: 'what we have in mind about this', theirs: 'what they have in mind instead' } },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'initiator') {
      await link.agent.logged('"reason":"authenticationFailed","by":"peer"');
      await link.theyLog({ strongswan: 'tried 1 shared key', libreswan: 'authentication failed' });
      const text = 'does not accept us as agent.lab.test: compare the pre-shared keys';
      await link.expectFailure(`${link.kind} (192.0.2.2) ${text}`);
    } else {
      const initiated = await link.daemon.initiate({ child: 'data' });
      assert.notEqual(initiated.code, 0, `${link.kind} took our refusal for success`);
      await link.theyLog({
        strongswan: 'received AUTHENTICATION_FAILED notify error',
        libreswan: 'AUTHENTICATION_FAILED',
      });
      const text = 'has another pre-shared key: give both sides the same';
      await link.expectFailure(`${link.kind} (peer.lab.test) ${text}`);
    }
    await link.expectSaCount(0);
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});
