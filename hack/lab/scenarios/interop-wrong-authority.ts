import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';
import {
  certificatesOf,
  type LinkCertificates,
  labRoot,
  validNow,
  withCertificates,
} from '../interop/link-certificates.ts';
import type { LinkSettings } from '../interop/link-settings.ts';

function withSides(change: (certificates: LinkCertificates) => LinkCertificates): LinkSettings {
  return withCertificates(change(certificatesOf(labRoot('Root'), 'ecdsaP256')));
}

/** Nothing was agreed on, and nothing leaves unprotected. */
const refusedByUs = (reason: string) =>
  interopScenarios({
    name: 'certificate-we-do-not-trust',
    description: 'the peer shows a certificate of an authority that we do not trust: we say which, nothing passes',
    settings: () => withSides(({ ours, theirs }) => ({ ours: { ...ours, trusted: [labRoot('Ours')] }, theirs })),
    run: async (link) => {
      await link.startDaemon();
      await link.startAgent();
      if (link.role === 'responder') {
        const initiated = await link.daemon.initiate({ child: 'data' });
        assert.notEqual(initiated.code, 0, `${link.kind} took our refusal for success`);
      }
      await link.expectFailure(reason);
      await link.theyLog({ strongswan: 'AUTH_FAILED', libreswan: /AUTHENTICATION_FAILED|deleting IKE SA/ });
      await link.expectSaCount(0);
      await link.expectBlocked();
      await link.close({ blocked: 'always' });
    },
  });

const refusedByThem = (['initiator', 'responder'] as const).flatMap((role) =>
  interopScenarios({
    name: 'certificate-they-do-not-trust',
    // As the initiator libreswan says nothing to the responder whose certificate it refuses.
    ...(role === 'responder' ? { peers: ['strongswan'] as const } : {}),
    roles: [role],
    description: 'the peer does not trust our authority: both ends say so, nothing passes',
    settings: () => withSides(({ ours, theirs }) => ({ ours, theirs: { ...theirs, trusted: [labRoot('Theirs')] } })),
    run: async (link) => {
      await link.startDaemon();
      await link.startAgent();
      if (link.role === 'initiator') {
        await link.expectFailure(`${link.kind} (192.0.2.2) does not accept us as agent.lab.test: its log tells why`);
      } else {
        const initiated = await link.daemon.initiate({ child: 'data' });
        assert.notEqual(initiated.code, 0, `${link.kind} took our certificate`);
      }
      await link.theyLog({
        strongswan: 'no issuer certificate found for',
        libreswan: /certificate .*rejected|NSS: ERROR/,
      });
      await link.expectSaCount(0);
      await link.expectBlocked();
      await link.close({ blocked: 'always' });
    },
  }),
);

const forSomebodyElse = interopScenarios({
  name: 'certificate-of-another',
  description: 'the peer shows a certificate of the right authority, but for another name: we refuse it',
  settings: () => {
    const root = labRoot('Root');
    const { ours, theirs } = certificatesOf(root, 'ecdsaP256');
    const shown = root.node('somebody.lab.test', { ...validNow(), subject: { CN: 'peer.lab.test' } });
    return withCertificates({ ours, theirs: { ...theirs, shown } });
  },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'responder') await link.daemon.initiate({ child: 'data' });
    await link.expectFailure(
      'the certificate is for DNS somebody.lab.test, DN CN=peer.lab.test, not for this identity',
    );
    await link.expectSaCount(0);
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});

export default [
  ...refusedByUs('its certificate leads to no trusted authority: CN=Root, O=Mesh has issued it'),
  ...refusedByThem,
  ...forSomebodyElse,
];
