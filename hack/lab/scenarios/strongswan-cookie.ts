import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';
import { addresses } from '../interop/link-settings.ts';
import { strangersRequest } from '../interop/stranger.ts';

const strangersProposal = 'aes128gcm16-prfsha256-x25519';

export default interopScenarios({
  name: 'strongswan-cookie',
  description: 'a strongSwan under load asks for a COOKIE, then for another group too',
  roles: ['initiator'],
  settings: {
    charon: { cookie_threshold: 1 },
    ike: { ours: 'aes256gcm16-prfsha384-x25519-ecp384', theirs: `aes256gcm16-prfsha384-ecp384,${strangersProposal}` },
  },
  run: async (link) => {
    await link.startCharon();
    link.lab.step('a stranger begins and does not go on');
    const charon = { address: addresses[4].wire.theirs, port: 500 };
    await link.lab.sendDatagrams(link.machines.gateways.ours, charon, [strangersRequest(strangersProposal)]);
    await link.charon.logged('IKE_SA_INIT response 0 [ SA KE No');
    await link.startAgent();
    await link.encrypting();
    assert.match(link.charon.log(), /IKE_SA_INIT response 0 \[ N\(COOKIE\) \]/);
    assert.match(link.charon.log(), /IKE_SA_INIT response 0 \[ N\(INVAL_KE\) \]/);
    await link.exchange();
    await link.close();
  },
});
