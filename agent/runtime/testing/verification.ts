import { constants, type KeyObject, sign } from 'node:crypto';

import type { Identity, VerificationJob } from '../../ike/types.ts';
import type { Trust } from '../../pki/credential.ts';
import { SCHEMES, type SignatureScheme } from '../../pki/signature-scheme.ts';
import type { TestAuthority, TestCertificate } from '../../pki/testing/authority.ts';
import { IdType } from '../../wire/registry.ts';

/** The octets that tests sign. */
export const OCTETS = new TextEncoder().encode('octets that a peer signs');

/** An FQDN identity. */
export function fqdnIdentity(name: string): Identity {
  return { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) };
}

/** Trust in these authorities. */
export function trustIn(anchors: readonly TestAuthority[], changes: Partial<Trust> = {}): Trust {
  return {
    fingerprint: anchors.map(({ der }) => Buffer.from(der).toString('hex')).join(),
    anchors: anchors.map(({ der }) => der),
    authorities: [],
    revocationLists: [],
    revocation: 'IfPresent',
    extendedKeyUsages: [],
    ...changes,
  };
}

/** What the Verifier is asked about a peer that shows this certificate; changed as told. */
export function jobFor(
  shown: TestCertificate,
  trust: Trust,
  changes: Partial<VerificationJob> & { readonly intermediates?: readonly Uint8Array[] } = {},
): VerificationJob {
  const { intermediates = [], ...others } = changes;
  const scheme = others.scheme ?? schemeOf(shown.key);
  return {
    id: 1,
    connection: 'node-a',
    certificates: [shown.der, ...intermediates],
    identity: fqdnIdentity('node-a.mesh.test'),
    trust,
    scheme,
    signature: signedWith(shown.key, scheme),
    signedOctets: OCTETS,
    ...others,
  };
}

/** A signature of `OCTETS`. */
export function signedWith(key: KeyObject, { algorithm, hash }: SignatureScheme, octets = OCTETS): Uint8Array {
  const name = ['', 'sha1', 'sha256', 'sha384', 'sha512'][hash] ?? null;
  if (algorithm === 'rsaPss') {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
    return sign(name, octets, { key, padding, saltLength });
  }
  return sign(name, octets, algorithm === 'ecdsaFixed' ? { key, dsaEncoding: 'ieee-p1363' } : key);
}

/** A scheme that a key can sign by. */
function schemeOf(key: KeyObject): SignatureScheme {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return SCHEMES.rsaPssSha256;
    case 'ed25519':
      return SCHEMES.ed25519;
    case 'ed448':
      return SCHEMES.ed448;
    default:
      return SCHEMES.ecdsaSha256;
  }
}
