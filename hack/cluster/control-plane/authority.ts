import { createPrivateKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import ipaddr from 'ipaddr.js';

import { dns, ip, keyPem, pem, TestAuthority, testKey } from '../../../agent/pki/testing/authority.ts';

/** Who a request to the API server comes from. */
export interface User {
  readonly name: string;
  readonly groups?: readonly string[];
}

/** A certificate and its private key, both in PEM. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** A certification authority of the cluster. */
export class Authority {
  readonly #authority: TestAuthority;

  private constructor(authority: TestAuthority) {
    this.#authority = authority;
  }

  /** A new one, which nobody is above. */
  static create(commonName: string): Authority {
    return new Authority(TestAuthority.root(commonName, 'ecdsaP256', { subject: { CN: commonName }, ...validity() }));
  }

  /** The one that `save` wrote. */
  static async load(commonName: string, path: string): Promise<Authority> {
    const key = createPrivateKey(await readFile(`${path}.key`, 'utf8'));
    const body = (await readFile(`${path}.crt`, 'utf8')).replaceAll(/-----.*-----|\s/g, '');
    return new Authority(new TestAuthority({ CN: commonName }, key, Buffer.from(body, 'base64')));
  }

  /** In PEM. */
  get certificate(): string {
    return pem('CERTIFICATE', this.#authority.der);
  }

  /** Writes PATH.crt and PATH.key. */
  save(path: string): Promise<void> {
    return saveCredential(path, { certificate: this.certificate, key: keyPem(this.#authority.key) });
  }

  /** A client's certificate; Kubernetes reads the user's name from the CN and the groups from the Os. */
  client({ name, groups = [] }: User): Credential {
    const subject = { ...(groups.length === 0 ? {} : { O: groups }), CN: name };
    return this.#issue(subject, [], [CLIENT_AUTH]);
  }

  /** A server's certificate, for DNS names and IP addresses; it serves as a client's too, as etcd's peers ask. */
  server(commonName: string, names: readonly string[]): Credential {
    const alternatives = names.map((name) =>
      ipaddr.isValid(name) ? ip(...ipaddr.parse(name).toByteArray()) : dns(name),
    );
    return this.#issue({ CN: commonName }, alternatives, [SERVER_AUTH, CLIENT_AUTH]);
  }

  #issue(
    subject: Readonly<Record<string, string | readonly string[]>>,
    names: readonly Uint8Array[],
    extendedKeyUsages: readonly string[],
  ): Credential {
    const { der, key } = this.#authority.issue({
      subject,
      key: testKey('ecdsaP256'),
      keyUsage: [DIGITAL_SIGNATURE],
      extendedKeyUsages,
      ...(names.length === 0 ? {} : { names }),
      ...validity(),
    });
    return { certificate: pem('CERTIFICATE', der), key: keyPem(key) };
  }
}

/** Writes PATH.crt and, readable by its owner only, PATH.key. */
export async function saveCredential(path: string, credential: Credential): Promise<void> {
  await writeFile(`${path}.crt`, credential.certificate);
  await writeFile(`${path}.key`, credential.key, { mode: 0o600 });
}

/** From a while ago, for clocks that differ, until long after any test. */
function validity(): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  return { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + 30 * 24 * HOUR_MS };
}

const HOUR_MS = 3_600_000;
// RFC 5280 §4.2.1.3 and §4.2.1.12.
const DIGITAL_SIGNATURE = 0;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
