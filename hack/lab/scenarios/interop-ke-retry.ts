import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'ke-retry',
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
    await link.theyLog(
      link.role === 'initiator'
        ? { strongswan: 'IKE_SA_INIT response 0 [ N(INVAL_KE) ]', libreswan: /INVALID_KE_PAYLOAD/ }
        : { strongswan: /didn't accept.*CURVE_25519.*ECP_384/, libreswan: /INVALID_KE_PAYLOAD/ },
    );
    await link.expectSuites('aes256gcm16-prfsha384-ecp384', 'aes256gcm16-esn');
    await link.exchange();
    await link.close();
  },
});
