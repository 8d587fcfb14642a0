import assert from 'node:assert/strict';

import type { TestKeyKind } from '../../../agent/pki/testing/authority.ts';
import { type InteropDefinition, interopScenarios } from '../interop/interop-scenario.ts';
import {
  certificatesOf,
  type LinkCertificates,
  labRoot,
  validNow,
  withCertificates,
} from '../interop/link-certificates.ts';
import { secretOf } from '../interop/link-settings.ts';
import type { Section } from '../strongswan/settings.ts';

interface Kind {
  readonly name: string;
  readonly key: TestKeyKind;
  /** Of the signature, as charon's log calls it. */
  readonly logged: string;
  readonly charon?: Section;
  readonly ourFields?: LinkCertificates['ourFields'];
}

const kinds: readonly Kind[] = [
  { name: 'rsa-pss', key: 'rsa', logged: 'RSA_EMSA_PSS_SHA2_256', charon: { rsa_pss: true } },
  { name: 'rsa-pkcs1', key: 'rsa', logged: 'RSA_EMSA_PKCS1_SHA2_256', ourFields: { rsaPadding: 'PKCS1' } },
  { name: 'ecdsa-p256', key: 'ecdsaP256', logged: 'ECDSA_WITH_SHA256_DER' },
  { name: 'ecdsa-p384', key: 'ecdsaP384', logged: 'ECDSA_WITH_SHA384_DER' },
  { name: 'ecdsa-p521', key: 'ecdsaP521', logged: 'ECDSA_WITH_SHA512_DER' },
  { name: 'ed25519', key: 'ed25519', logged: 'ED25519' },
  { name: 'ed448', key: 'ed448', logged: 'ED448' },
];

/** Charon has checked our signature, and made its own, by the scheme of the scenario. */
function bothSignBy(logged: string): NonNullable<InteropDefinition['run']> {
  return async (link) => {
    await link.connect();
    const log = link.charon.log();
    assert.match(log, new RegExp(`authentication of 'agent\\.lab\\.test' with ${logged}\\S* successful`));
    assert.match(log, new RegExp(`authentication of 'strongswan\\.lab\\.test' \\(myself\\) with ${logged}`));
    await link.exchange();
    await link.close();
  };
}

const bySignature = kinds.flatMap(({ name, key, logged, charon = {}, ourFields = {} }) =>
  interopScenarios({
    name: `certificate-${name}`,
    peers: ['strongswan'],
    description: `certificates and signatures of both sides: ${name}`,
    settings: () => {
      const { ours, strongswan } = withCertificates({ ...certificatesOf(labRoot('Root', key), key), ourFields });
      return { ours, strongswan: { ...strongswan, charon } };
    },
    run: bothSignBy(logged),
  }),
);

const throughIntermediate = interopScenarios({
  name: 'certificate-chain',
  peers: ['strongswan'],
  description: 'certificates of an intermediate authority, which both sides send; only the root is trusted',
  settings: () => {
    const root = labRoot('Root');
    const middle = root.intermediate('Middle', validNow());
    return withCertificates(certificatesOf(middle, 'ecdsaP256', { trusted: root, intermediates: [middle] }));
  },
  run: async (link) => {
    await link.connect();
    assert.match(link.charon.log(), /received issuer cert "O=Mesh, CN=Middle"/);
    await link.exchange();
    await link.close();
  },
});

const mixed = interopScenarios({
  name: 'certificate-and-psk',
  peers: ['strongswan'],
  description: 'we show a certificate, strongSwan a pre-shared key',
  settings: () => {
    const root = labRoot('Root');
    const ours = { shown: root.node('agent.lab.test', validNow()), trusted: [] };
    const { ours: our, strongswan } = withCertificates({ ours, theirs: { shown: undefined, trusted: [root] } });
    return { ours: { ...our, files: { ...our.files, psk: secretOf({}, 'ours') } }, strongswan };
  },
});

export default [...bySignature, ...throughIntermediate, ...mixed];
