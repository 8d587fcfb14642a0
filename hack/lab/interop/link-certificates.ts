import { createPublicKey } from 'node:crypto';

import {
  keyPem,
  pem,
  TestAuthority,
  type TestCertificate,
  type TestCertificateOptions,
  type TestKeyKind,
} from '../../../agent/pki/testing/authority.ts';
import type { IpsecOptions } from '../libreswan/ipsec-conf.ts';
import type { PlutoCredentials } from '../libreswan/nss-database.ts';
import type { Section } from '../strongswan/settings.ts';
import { identities, type LinkSettings } from './link-settings.ts';

/** What either side shows, and whom it trusts. A side without a certificate has the pre-shared key. */
export interface LinkCertificates {
  readonly ours: LinkSide;
  readonly theirs: LinkSide;
  /** More fields of `certificate` in our configuration file. */
  readonly ourFields?: Readonly<Record<string, unknown>>;
}

/** One side of a link. */
export interface LinkSide {
  readonly shown: TestCertificate | undefined;
  /** Sent with it. */
  readonly intermediates?: readonly TestAuthority[];
  /** Whom this side trusts; nobody where the other one shows a pre-shared key. */
  readonly trusted: readonly TestAuthority[];
  /** Revocation lists that it has, in DER. */
  readonly revocationLists?: readonly Uint8Array[];
}

const HOUR = 3_600_000;

/** Valid from an hour ago, for a day: the clocks of host and guest may differ a little. */
export function validNow(): TestCertificateOptions {
  return { notBeforeMs: Date.now() - HOUR, notAfterMs: Date.now() + 24 * HOUR };
}

/** A root whose certificate is valid now. */
export function labRoot(commonName: string, kind: TestKeyKind = 'ecdsaP256'): TestAuthority {
  return TestAuthority.root(commonName, kind, validNow());
}

/** Both sides with a certificate of one authority for their identities, and trust in `trusted`. */
export function certificatesOf(
  authority: TestAuthority,
  kind: TestKeyKind,
  more: { readonly trusted?: TestAuthority; readonly intermediates?: readonly TestAuthority[] } = {},
): LinkCertificates {
  const { trusted = authority, intermediates = [] } = more;
  const side = (name: string): LinkSide => ({
    shown: authority.node(name, validNow(), kind),
    intermediates,
    trusted: [trusted],
  });
  return { ours: side(identities.ours), theirs: side(identities.theirs) };
}

/** What a link with these certificates has in place of pre-shared keys. */
export function withCertificates(
  certificates: LinkCertificates,
): Required<Pick<LinkSettings, 'ours' | 'strongswan' | 'libreswan' | 'openiked'>> {
  return {
    ours: { peer: { authentication: ourAuthentication(certificates) }, files: certificateFiles(certificates.ours) },
    strongswan: { connection: charonConnection(certificates), files: charonFiles(certificates.theirs) },
    libreswan: { connection: plutoConnection(certificates), credentials: plutoCredentials(certificates.theirs) },
    openiked: { files: ikedFiles(certificates.theirs) },
  };
}

/** Files of our side, as the configuration names them. */
export function certificateFiles({
  shown,
  intermediates = [],
  trusted,
  revocationLists = [],
}: LinkSide): Readonly<Record<string, string>> {
  return {
    ...(shown && { 'tls.crt': certificatesPem([shown, ...intermediates]), 'tls.key': keyPem(shown.key) }),
    ...(trusted.length === 0 ? {} : { 'ca.crt': certificatesPem(trusted) }),
    ...(revocationLists.length === 0
      ? {}
      : { 'ca.crl': revocationLists.map((each) => pem('X509 CRL', each)).join('') }),
  };
}

/** Files of a charon below its swanctl folder. */
export function charonFiles({
  shown,
  intermediates = [],
  trusted,
  revocationLists = [],
}: LinkSide): Readonly<Record<string, string>> {
  const authorities = [...trusted, ...intermediates].map((each, index) => [
    `x509ca/ca-${index}.pem`,
    certificatesPem([each]),
  ]);
  const lists = revocationLists.map((each, index) => [`x509crl/ca-${index}.pem`, pem('X509 CRL', each)]);
  return {
    ...(shown && { 'x509/theirs.pem': certificatesPem([shown]), 'private/theirs.pem': keyPem(shown.key) }),
    ...Object.fromEntries([...authorities, ...lists]),
  };
}

function ourAuthentication({ ours, theirs, ourFields = {} }: LinkCertificates): Readonly<Record<string, unknown>> {
  const crls = ours.revocationLists === undefined ? {} : { crlFiles: ['ca.crl'] };
  const key = { preSharedKey: { file: 'psk' } };
  const certificate = { certificateFile: 'tls.crt', keyFile: 'tls.key', ...ourFields };
  return {
    local: ours.shown === undefined ? key : { certificate },
    remote: theirs.shown === undefined ? key : { certificate: { trust: { bundleFiles: ['ca.crt'], ...crls } } },
  };
}

function charonConnection({ ours, theirs }: LinkCertificates): Section {
  const own = theirs.shown === undefined ? { auth: 'psk' } : { auth: 'pubkey', certs: 'theirs.pem' };
  return {
    local: { ...own, id: identities.theirs },
    remote: { auth: ours.shown === undefined ? 'psk' : 'pubkey', id: identities.ours },
  };
}

function plutoConnection({ ours, theirs }: LinkCertificates): IpsecOptions {
  return {
    leftauth: plutoAuthentication(theirs),
    rightauth: plutoAuthentication(ours),
    ...(theirs.shown === undefined ? {} : { leftcert: 'theirs', leftsendcert: 'always', sendca: 'all' }),
  };
}

function plutoAuthentication({ shown }: LinkSide): string {
  if (shown === undefined) return 'secret';
  return shown.key.asymmetricKeyType === 'ec' ? 'ecdsa' : 'rsasig';
}

/** What a pluto's NSS database is to hold. */
export function plutoCredentials({ shown, intermediates = [], trusted }: LinkSide): PlutoCredentials {
  const texts = (all: readonly TestAuthority[]) => all.map((each) => certificatesPem([each]));
  return {
    authorities: texts(trusted),
    intermediates: texts(intermediates),
    ...(shown && { own: { name: 'theirs', certificate: certificatesPem([shown]), key: keyPem(shown.key) } }),
  };
}

/** Iked takes the certificate whose name it has, and its own public key beside the private one. */
function ikedFiles({ shown, trusted }: LinkSide): Readonly<Record<string, string>> {
  return {
    'ca/ca.crt': certificatesPem(trusted),
    ...(shown && {
      'certs/theirs.crt': certificatesPem([shown]),
      'private/local.key': keyPem(shown.key),
      'local.pub': createPublicKey(shown.key).export({ type: 'spki', format: 'pem' }).toString(),
    }),
  };
}

/** Several certificates in one file. */
function certificatesPem(all: readonly { readonly der: Uint8Array }[]): string {
  return all.map(({ der }) => pem('CERTIFICATE', der)).join('');
}
