import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stringify } from 'yaml';

import { keyPem, pem, TestAuthority } from '../../agent/pki/testing/authority.ts';
import type { MeshNode } from './plan-mesh.ts';

/** Stands in for cert-manager: issues what the operator's Certificates ask for, from an authority made for this run. */
export class DevelopmentAuthority {
  readonly #namespace: string;
  readonly #root = TestAuthority.root('ikemesh demo', 'ecdsaP256', { subject: { CN: 'ikemesh demo' }, ...validity() });
  #lastSerial = 0x1000n;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /**
   * Writes the Secret of a node with a new key and a new certificate, in place of the one that is there, and at once; answers
   * the serial number in hexadecimal.
   */
  async issue({ fqdn, secretName }: MeshNode, file: string): Promise<string> {
    this.#lastSerial += 1n;
    const { der, key } = this.#root.node(fqdn, { serial: this.#lastSerial, ...validity() });
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName, namespace: this.#namespace },
      type: 'kubernetes.io/tls',
      stringData: {
        'tls.crt': pem('CERTIFICATE', der),
        'tls.key': keyPem(key),
        'ca.crt': pem('CERTIFICATE', this.#root.der),
      },
    };
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const unfinished = `${file}.new`;
    await writeFile(unfinished, stringify(secret), { mode: 0o600 });
    await chmod(unfinished, 0o600);
    await rename(unfinished, file);
    return this.#lastSerial.toString(16);
  }
}

/** The clocks of host and guest may differ a little. */
function validity(): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const now = Date.now();
  return { notBeforeMs: now - HOUR_MS, notAfterMs: now + DAY_MS };
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
