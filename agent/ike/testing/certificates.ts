import type { Credential, Trust } from '../../pki/credential.ts';
import type { KeyKind } from '../../pki/signature-scheme.ts';
import type { LocalAuthentication, RemoteAuthentication } from '../types.ts';

/** A trust for tests in which nothing is really verified. */
export const TRUST: Trust = {
  fingerprint: 'trust',
  anchors: [],
  authorities: ['11'.repeat(20), '22'.repeat(20)],
  revocationLists: [],
  revocation: 'IfPresent',
  extendedKeyUsages: [],
};

/** The peer is to show a certificate of `TRUST`. */
export const TRUSTING: RemoteAuthentication = { kind: 'certificate', trust: TRUST, rsaSha1: false };

/** A credential whose signatures are the name of the scheme. */
export function pretendedCredential(
  name: string,
  changes: Partial<Credential> = {},
  kind: KeyKind = 'ecdsaP256',
): Credential {
  return {
    fingerprint: name,
    certificates: [new TextEncoder().encode(name)],
    authorities: ['11'.repeat(20)],
    key: { kind, sign: (scheme) => new TextEncoder().encode(scheme.name) },
    notAfterMs: Number.MAX_SAFE_INTEGER,
    ...changes,
  };
}

/** We show one of these. */
export function showing(...credentials: readonly [Credential, ...Credential[]]): LocalAuthentication {
  return { kind: 'certificate', credentials, signatures: { rsaPadding: 'PSS', rsaSha1: false } };
}
