import { join } from 'node:path';

import { mergeSections, type Section } from './settings.ts';

/** What strongswan.conf says of a charon that keeps everything in a folder of its own. */
export function strongswanConf(
  folder: string,
  options: { readonly charon?: Section; readonly logLevels?: Readonly<Record<string, number>> } = {},
): Section {
  const base: Section = {
    load: charonPlugins,
    install_routes: false,
    plugins: { vici: { socket: viciSocket(folder) } },
    filelog: { lab: { path: 'stderr', default: 1, ike_name: true, ...options.logLevels } },
  };
  return {
    charon: mergeSections(base, options.charon ?? {}),
    swanctl: { load: 'pem pkcs1 pkcs8 pubkey x509 openssl random nonce' },
  };
}

/** By which charon and swanctl find its files. */
export function charonEnvironment(folder: string): Record<string, string> {
  return { STRONGSWAN_CONF: join(folder, 'strongswan.conf'), SWANCTL_DIR: folder };
}

/** Where swanctl reaches it. */
export function viciSocket(folder: string): string {
  return `unix://${folder}/run/charon.vici`;
}

/** What Debian loads, without the plugins that need hardware, a network service or seconds to start. */
const charonPlugins =
  'random nonce drbg aes sha1 sha2 mgf1 hmac kdf gmp curve25519 chapoly gcm ccm ctr cmac xcbc openssl ' +
  'pem pkcs1 pkcs7 pkcs8 pkcs12 pubkey x509 revocation constraints ' +
  'kernel-netlink socket-default vici counters updown eap-identity eap-md5 error-notify';

/** Folders that swanctl reads certificates and keys from. */
export const swanctlFolders = [
  'x509',
  'x509ca',
  'x509ocsp',
  'x509aa',
  'x509ac',
  'x509crl',
  'pubkey',
  'private',
  'rsa',
  'ecdsa',
  'pkcs8',
  'pkcs12',
] as const;
