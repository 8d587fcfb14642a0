import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';
import { addresses } from '../interop/link-settings.ts';
import { cookieOf, strangersRequest } from '../interop/stranger.ts';
import { waitUntil } from '../runner/wait-until.ts';

const strangersProposal = 'aes128gcm16-prfsha256-x25519';

export default interopScenarios({
  name: 'cookie',
  description: 'a strongSwan under load asks for a COOKIE, then for another group too',
  peers: ['strongswan'],
  roles: ['initiator'],
  settings: {
    strongswan: { charon: { cookie_threshold: 1 } },
    ike: { ours: 'aes256gcm16-prfsha384-x25519-ecp384', theirs: `aes256gcm16-prfsha384-ecp384,${strangersProposal}` },
  },
  run: async (link) => {
    await link.startDaemon();
    link.lab.step('a stranger begins and does not go on, others are asked for a cookie');
    const send = (number: number, cookie?: Uint8Array) =>
      link.lab.sendDatagrams(link.machines.gateways.ours, { address: addresses[4].wire.theirs, port: 500 }, [
        strangersRequest(strangersProposal, number, cookie),
      ]);
    await send(1);
    await link.charon.logged('IKE_SA_INIT response 0 [ SA KE No');
    // A charon that is younger than ten seconds may take every cookie for an expired one, on a machine as young as that.
    await waitUntil('charon to accept its own cookies', async () => {
      const [demand] = await send(2);
      // On a busy machine an answer may come later than anybody waits for it.
      if (demand === undefined) return false;
      const cookie = cookieOf(demand);
      assert.ok(cookie, 'charon asks for no cookie');
      const [answer] = await send(2, cookie);
      return answer !== undefined && cookieOf(answer) === undefined;
    });
    await link.startAgent();
    await link.encrypting();
    // The stranger's come without NAT detection.
    assert.match(link.charon.log(), /IKE_SA_INIT request 0 \[ N\(COOKIE\) SA KE No N\(NATD_S_IP\)/);
    assert.match(link.charon.log(), /IKE_SA_INIT response 0 \[ N\(INVAL_KE\) \]/);
    await link.exchange();
    await link.close();
  },
});
