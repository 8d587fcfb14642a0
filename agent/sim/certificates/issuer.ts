import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

import { hexFromBytes } from '../../crypto/bytes.ts';
import type { Credential, KeyHash, SigningKey, Trust } from '../../pki/credential.ts';
import { keyPem, TestAuthority } from '../../pki/testing/authority.ts';
import { readPrivateKey } from '../../runtime/certificates/private-key.ts';
import { RandomStream } from '../random-stream.ts';
import { nodeName } from '../topology.ts';

/** What was asked of the issuer. Times are those of the world, which nodes may see otherwise. */
export interface CertificateRequest {
  readonly node: number;
  /** Which of the authorities that follow one another. */
  readonly generation: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A certificate with its key, and what is true about it whatever anybody believes. */
export interface IssuedCertificate extends CertificateRequest {
  readonly credential: Credential;
}

/**
 * The PKI of a simulation: real certificates with real signatures, whose numbers follow from the seed. Ed25519,
 * because its signatures are the same each time.
 */
export class Issuer {
  readonly #authorities: TestAuthority[] = [];
  readonly #trusts = new Map<string, Trust>();
  readonly #generations = new Map<Trust, readonly number[]>();
  readonly #issued = new Map<string, IssuedCertificate>();

  issue(request: CertificateRequest): IssuedCertificate {
    const { node, generation, notBeforeMs, notAfterMs } = request;
    const authority = this.#authority(generation);
    const number = this.#issued.size + 1;
    const { key, signing } = keyPair(`certificate ${number}`);
    const serial = FIRST_SERIAL + BigInt(number);
    const { der } = authority.node(nodeName(node), { key, serial, notBeforeMs, notAfterMs });
    const credential: Credential = {
      fingerprint: sha256(der),
      certificates: [der],
      authorities: [this.#hashOf(generation)],
      key: signing,
      notAfterMs,
    };
    const issued = { ...request, credential };
    this.#issued.set(credential.fingerprint, issued);
    return issued;
  }

  /** Whose a certificate is; undefined for what has never been issued. */
  issued(der: Uint8Array | undefined): IssuedCertificate | undefined {
    return der && this.#issued.get(sha256(der));
  }

  /** A bundle of these generations of the authority. */
  trust(generations: readonly number[]): Trust {
    const known = this.#trusts.get(generations.join());
    if (known !== undefined) return known;
    const authorities = generations.map((generation) => this.#authority(generation));
    const trust: Trust = {
      fingerprint: `bundle of ${generations.join()}`,
      anchors: authorities.map(({ der }) => der),
      authorities: generations.map((generation) => this.#hashOf(generation)),
      revocationLists: [],
      revocation: 'IfPresent',
      extendedKeyUsages: [],
    };
    this.#trusts.set(generations.join(), trust);
    this.#generations.set(trust, generations);
    return trust;
  }

  /** Whether a bundle has the authority of a certificate. */
  isTrusted({ generation }: IssuedCertificate, trust: Trust): boolean {
    return this.#generations.get(trust)?.includes(generation) === true;
  }

  #authority(generation: number): TestAuthority {
    const known = this.#authorities[generation];
    if (known !== undefined) return known;
    const authority = TestAuthority.root(`Authority ${generation}`, 'ed25519', {
      key: keyPair(`authority ${generation}`).key,
      serial: BigInt(generation + 1),
      notBeforeMs: AUTHORITY_FROM_MS,
      notAfterMs: AUTHORITY_UNTIL_MS,
    });
    this.#authorities[generation] = authority;
    return authority;
  }

  #hashOf(generation: number): KeyHash {
    return keyPair(`authority ${generation}`).publicKeyHash;
  }
}

/** A key in the forms that are asked for. */
interface KeyPair {
  readonly key: KeyObject;
  readonly signing: SigningKey;
  readonly publicKeyHash: KeyHash;
}

/** The key of this name: it is the same in every seed, for making one takes longer than signing by it. */
function keyPair(name: string): KeyPair {
  const known = keyPairs.get(name);
  if (known !== undefined) return known;
  const secret = new Uint8Array(32);
  new RandomStream(KEYS_SEED, name).fill(secret);
  const key = createPrivateKey({ key: Buffer.from([...PKCS8_ED25519, ...secret]), format: 'der', type: 'pkcs8' });
  const read = readPrivateKey(keyPem(key));
  if (!read.ok) throw new Error(read.error);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const made = { key, signing: read.value.signing, publicKeyHash: createHash('sha1').update(spki).digest('hex') };
  keyPairs.set(name, made);
  return made;
}

function sha256(der: Uint8Array): string {
  return hexFromBytes(createHash('sha256').update(der).digest());
}

/** As many as the certificates of the longest seed. */
const keyPairs = new Map<string, KeyPair>();
const KEYS_SEED = 1;
/** What stands before the 32 bytes of a private key (RFC 8410 §7). */
const PKCS8_ED25519 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const FIRST_SERIAL = 0x1000n;
const AUTHORITY_FROM_MS = Date.UTC(2020, 0);
const AUTHORITY_UNTIL_MS = Date.UTC(2040, 0);
