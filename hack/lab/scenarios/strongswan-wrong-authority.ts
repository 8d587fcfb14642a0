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
    peers: ['strongswan'],
    description: 'strongSwan shows a certificate of an authority that we do not trust: we say which, nothing passes',
    settings: () => withSides(({ ours, theirs }) => ({ ours: { ...ours, trusted: [labRoot('Ours')] }, theirs })),
    run: async (link) => {
      await link.startDaemon();
      await link.startAgent();
      if (link.role === 'responder') {
        const initiated = await link.charon.initiate({ child: 'data' });
        assert.notEqual(initiated.code, 0, 'charon took our refusal for success');
      }
      await link.expectFailure(reason);
      await link.charon.logged('AUTH_FAILED');
      await link.expectSaCount(0);
      await link.expectBlocked();
      await link.close({ blocked: 'always' });
    },
  });

const refusedByThem = interopScenarios({
  name: 'certificate-they-do-not-trust',
  peers: ['strongswan'],
  description: 'strongSwan does not trust our authority: both ends say so, nothing passes',
  settings: () => withSides(({ ours, theirs }) => ({ ours, theirs: { ...theirs, trusted: [labRoot('Theirs')] } })),
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'initiator') {
      await link.expectFailure('strongswan (192.0.2.2) does not accept us as agent.lab.test: its log tells why');
    } else {
      const initiated = await link.charon.initiate({ child: 'data' });
      assert.notEqual(initiated.code, 0, 'charon took our certificate');
    }
    await link.charon.logged('no issuer certificate found for');
    await link.expectSaCount(0);
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});

const forSomebodyElse = interopScenarios({
  name: 'certificate-of-another',
  peers: ['strongswan'],
  description: 'strongSwan shows a certificate of the right authority, but for another name: we refuse it',
  settings: () => {
    const root = labRoot('Root');
    const { ours, theirs } = certificatesOf(root, 'ecdsaP256');
    const shown = root.node('somebody.lab.test', { ...validNow(), subject: { CN: 'strongswan.lab.test' } });
    return withCertificates({ ours, theirs: { ...theirs, shown } });
  },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'responder') await link.charon.initiate({ child: 'data' });
    await link.expectFailure(
      'the certificate is for DNS somebody.lab.test, DN CN=strongswan.lab.test, not for this identity',
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
