import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';

/** What a server proves itself by. */
export interface ServingPair {
  readonly cert: string;
  readonly key: string;
}

/** The certificate and key of a folder, as a Secret of the type kubernetes.io/tls is mounted; read anew by content. */
export class ServingCertificate {
  readonly #folder: string;
  #latest: ServingPair | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * The pair where it is another one than at the last call, undefined where it is the same.
   * @throws Error that says what is wrong, such as a key that is not that of the certificate.
   */
  changed(): ServingPair | undefined {
    const [cert, key] = [this.#read('tls.crt'), this.#read('tls.key')];
    if (cert === this.#latest?.cert && key === this.#latest.key) return undefined;
    createSecureContext({ cert, key });
    this.#latest = { cert, key };
    return this.#latest;
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'latin1');
  }
}
