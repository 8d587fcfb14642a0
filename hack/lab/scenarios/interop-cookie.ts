import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';
import { addresses } from '../interop/link-settings.ts';
import { cookieOf, strangersRequest } from '../interop/stranger.ts';
import { waitUntil } from '../runner/wait-until.ts';

const strangersProposal = 'aes128gcm16-prfsha256-x25519';

/** That it was asked for both. */
const askedForBoth = {
  strongswan: /IKE_SA_INIT response 0 \[ N\(COOKIE\) \][\s\S]*IKE_SA_INIT response 0 \[ N\(INVAL_KE\) \]/,
  libreswan: /COOKIE/,
};

const theyAreFlooded = interopScenarios({
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

/** From so many half-open IKE SAs of one source on, our agent asks it for a cookie. */
const ourThreshold = 8;

const weAreFlooded = interopScenarios({
  name: 'cookie',
  description:
    'strangers with the address of the peer flood our agent: it asks the peer for a COOKIE, then for another group',
  roles: ['responder'],
  settings: {
    // The peer's first guess is a group that we do not take from it.
    ike: 'aes256gcm16-prfsha384-x25519-ecp384',
    ours: {
      peer: { proposals: { ike: ['aes256gcm16-prfsha384-ecp384', strangersProposal], esp: ['aes256gcm16-esn'] } },
    },
  },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    link.lab.step('strangers begin and do not go on, until they are asked for cookies');
    const requests = Array.from({ length: 3 * ourThreshold }, (_, number) =>
      strangersRequest(strangersProposal, number),
    );
    const to = { address: addresses[4].wire.ours, port: 500 };
    await link.lab.sendDatagrams(link.machines.gateways.theirs, to, requests);
    const before = await link.agent.status();
    const asked = requests.length - ourThreshold;
    assert.deepEqual([before.halfOpen, before.dropped], [ourThreshold, { cookieRequired: asked }]);
    await link.establish();
    await link.encrypting();
    const { dropped } = await link.agent.status();
    assert.ok((dropped['cookieRequired'] ?? 0) > asked, `the peer was asked for no cookie: ${JSON.stringify(dropped)}`);
    await link.theyLog(askedForBoth);
    await link.exchange();
    await link.close();
  },
});

export default [...theyAreFlooded, ...weAreFlooded];
