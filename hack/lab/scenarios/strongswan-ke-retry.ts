import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'strongswan-ke-retry',
  description: 'the initiator guesses X25519, the responder wants ECP-384 (INVALID_KE_PAYLOAD)',
  settings: (role) => {
    const guessing = 'aes256gcm16-prfsha384-x25519-ecp384';
    const insisting = 'aes256gcm16-prfsha384-ecp384';
    return {
      ike: role === 'initiator' ? { ours: guessing, theirs: insisting } : { ours: insisting, theirs: guessing },
    };
  },
  run: async (link) => {
    await link.connect();
    assert.match(
      link.charon.log(),
      link.role === 'initiator' ? /IKE_SA_INIT response 0 \[ N\(INVAL_KE\) \]/ : /didn't accept.*CURVE_25519.*ECP_384/,
    );
    const charonIke = ['AES_GCM_16-256', 'PRF_HMAC_SHA2_384', 'ECP_384'];
    await link.expectSuites('aes256gcm16-prfsha384-ecp384', 'aes256gcm16-esn', charonIke, ['AES_GCM_16-256', '']);
    await link.exchange();
    await link.close();
  },
});
