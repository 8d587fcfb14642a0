import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { succeed } from '../topology/completed.ts';

/** Certificates and keys of a pluto, all in PEM; it has them from an NSS database only. */
export interface PlutoCredentials {
  /** Authorities that it trusts. */
  readonly authorities: readonly string[];
  /** Others that it can build chains of. */
  readonly intermediates?: readonly string[];
  readonly own?: PlutoCertificate;
}

/** A certificate with its key, by the name that a connection's `leftcert` has. */
export interface PlutoCertificate {
  readonly name: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes the NSS database of a pluto in `folder`/nss, which exists and is empty. */
export async function makeNssDatabase(folder: string, credentials: PlutoCredentials): Promise<void> {
  const database = join(folder, 'nss');
  await succeed(['ipsec', 'initnss', '--nssdir', database]);
  const { authorities, intermediates = [], own } = credentials;
  const add = async (name: string, certificate: string, trust: string) => {
    const file = written(folder, `${name}.pem`, certificate);
    await succeed(['certutil', '-A', '-d', `sql:${database}`, '-n', name, '-t', trust, '-i', file]);
  };
  for (const [index, authority] of authorities.entries()) await add(`authority-${index}`, authority, 'CT,,');
  for (const [index, intermediate] of intermediates.entries()) await add(`intermediate-${index}`, intermediate, ',,');
  if (own !== undefined) await addOwn(folder, database, own);
}

/** Puts a certificate and its key in place of those that have its name. */
export async function replaceOwn(folder: string, own: PlutoCertificate): Promise<void> {
  const database = join(folder, 'nss');
  await succeed(['certutil', '-F', '-d', `sql:${database}`, '-n', own.name]);
  await addOwn(folder, database, own);
}

/** A private key gets into an NSS database within a PKCS #12 file only. */
async function addOwn(folder: string, database: string, own: PlutoCertificate): Promise<void> {
  const [certificate, key] = [written(folder, 'own.crt', own.certificate), written(folder, 'own.key', own.key)];
  const file = join(folder, 'own.p12');
  const words = ['-inkey', key, '-in', certificate, '-name', own.name, '-out', file, '-passout', `pass:${password}`];
  await succeed(['openssl', 'pkcs12', '-export', ...words]);
  await succeed(['pk12util', '-i', file, '-d', `sql:${database}`, '-W', password, '-K', '']);
}

function written(folder: string, name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}

/** Some versions of NSS take no PKCS #12 file without one. */
const password = 'lab';
