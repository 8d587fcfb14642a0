import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'no-ike-proposal',
  description: 'no IKE proposal in common: ours says at whom, what was offered and what to do, nothing passes',
  settings: { ike: { ours: 'aes128gcm16-prfsha256-ecp256', theirs: 'aes256gcm16-prfsha384-x25519' } },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'initiator') {
      const text = 'accepts none of our IKE proposals (aes128gcm16-prfsha256-ecp256): give both';
      await link.expectFailure(`${link.kind} (192.0.2.2) ${text}`);
    } else {
      const initiated = await link.daemon.initiate({ child: 'data' });
      assert.notEqual(initiated.code, 0, `${link.kind} took our refusal for success`);
      await link.theyLog({
        strongswan: 'received NO_PROPOSAL_CHOSEN notify error',
        libreswan: 'NO_PROPOSAL_CHOSEN',
      });
      const peer = `${link.kind} (peer.lab.test)`;
      await link.expectFailure(`no common algorithms with ${peer} at 192.0.2.2: it offers aes256gcm16`);
    }
    await link.expectSaCount(0);
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});
