import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'strongswan-wrong-psk',
  description: 'different pre-shared keys: both ends fail cleanly, ours says at whom and what to do, nothing passes',
  settings: { secret: { ours: 'what we have in mind about this', theirs: 'what they have in mind instead' } },
  run: async (link) => {
    await link.startCharon();
    await link.startAgent();
    if (link.role === 'initiator') {
      await link.agent.logged('"reason":"authenticationFailed","by":"peer"');
      await link.charon.logged('tried 1 shared key');
      const text = 'strongswan (192.0.2.2) does not accept us as agent.lab.test: compare the pre-shared keys';
      await link.expectFailure(text);
    } else {
      const initiated = await link.charon.initiate({ child: 'data' });
      assert.notEqual(initiated.code, 0, 'charon took our refusal for success');
      await link.charon.logged('received AUTHENTICATION_FAILED notify error');
      const text = 'strongswan (charon.lab.test) has another pre-shared key: give both sides the same';
      await link.expectFailure(text);
    }
    await link.expectSaCount(0);
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});
