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
  readonly charonsName: string;
  /** The same for pluto's log; undefined where libreswan does not have it. */
  readonly plutosName?: string;
  readonly charon?: Section;
  readonly rare?: boolean;
  readonly ourFields?: LinkCertificates['ourFields'];
}

const kinds: readonly Kind[] = [
  {
    name: 'rsa-pss',
    key: 'rsa',
    charonsName: 'RSA_EMSA_PSS_SHA2_256',
    plutosName: 'RSASSA-PSS with SHA2_256',
    charon: { rsa_pss: true },
  },
  {
    name: 'rsa-pkcs1',
    key: 'rsa',
    charonsName: 'RSA_EMSA_PKCS1_SHA2_256',
    plutosName: 'PKCS#1 1.5 RSA with SHA2_256',
    ourFields: { rsaPadding: 'PKCS1' },
  },
  { name: 'ecdsa-p256', key: 'ecdsaP256', charonsName: 'ECDSA_WITH_SHA256_DER', plutosName: 'ECDSA with SHA2_256' },
  {
    name: 'ecdsa-p384',
    key: 'ecdsaP384',
    charonsName: 'ECDSA_WITH_SHA384_DER',
    plutosName: 'ECDSA with SHA2_384',
    rare: true,
  },
  {
    name: 'ecdsa-p521',
    key: 'ecdsaP521',
    charonsName: 'ECDSA_WITH_SHA512_DER',
    plutosName: 'ECDSA with SHA2_512',
    rare: true,
  },
  { name: 'ed25519', key: 'ed25519', charonsName: 'ED25519' },
  { name: 'ed448', key: 'ed448', charonsName: 'ED448', rare: true },
];

/** The other end has checked our signature, and made its own, by the scheme of the scenario. */
function bothSignBy({ charonsName, plutosName = '' }: Kind): NonNullable<InteropDefinition['run']> {
  return async (link) => {
    await link.connect();
    await link.theyLog({
      strongswan: new RegExp(`authentication of 'agent\\.lab\\.test' with ${charonsName}\\S* successful`),
      libreswan: new RegExp(`authenticated peer .*${plutosName}`),
    });
    if (link.kind === 'strongswan') {
      await link.charon.logged(new RegExp(`authentication of 'peer\\.lab\\.test' \\(myself\\) with ${charonsName}`));
    }
    await link.exchange();
    await link.close();
  };
}

const bySignature = kinds.flatMap((kind) =>
  interopScenarios({
    name: `certificate-${kind.name}`,
    ...(kind.plutosName === undefined ? { peers: ['strongswan'] as const } : {}),
    description: `certificates and signatures of both sides: ${kind.name}`,
    rare: kind.rare === true,
    rolesTakeTurns: kind.plutosName !== undefined && kind.key === 'rsa',
    settings: () => {
      const { key, charon = {}, ourFields = {} } = kind;
      const settings = withCertificates({ ...certificatesOf(labRoot('Root', key), key), ourFields });
      return { ...settings, strongswan: { ...settings.strongswan, charon } };
    },
    run: bothSignBy(kind),
  }),
);

const throughIntermediate = interopScenarios({
  name: 'certificate-chain',
  rolesTakeTurns: true,
  description: 'certificates of an intermediate authority, which both sides send; only the root is trusted',
  settings: () => {
    const root = labRoot('Root');
    const middle = root.intermediate('Middle', validNow());
    return withCertificates(certificatesOf(middle, 'ecdsaP256', { trusted: root, intermediates: [middle] }));
  },
  run: async (link) => {
    await link.connect();
    if (link.kind === 'strongswan') await link.charon.logged('received issuer cert "O=Mesh, CN=Middle"');
    await link.exchange();
    await link.close();
  },
});

const mixed = interopScenarios({
  name: 'certificate-and-psk',
  description: 'we show a certificate, the peer a pre-shared key',
  settings: () => {
    const root = labRoot('Root');
    const ours = { shown: root.node('agent.lab.test', validNow()), trusted: [] };
    const settings = withCertificates({ ours, theirs: { shown: undefined, trusted: [root] } });
    return { ...settings, ours: { ...settings.ours, files: { ...settings.ours.files, psk: secretOf({}, 'ours') } } };
  },
});

export default [...bySignature, ...throughIntermediate, ...mixed];
