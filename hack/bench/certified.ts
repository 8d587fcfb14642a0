import type { ConnectionConfig } from '../../agent/ike/types.ts';
import type { SigningKey, Trust } from '../../agent/pki/credential.ts';
import { keyPem, TestAuthority, type TestCertificate, type TestKeyKind } from '../../agent/pki/testing/authority.ts';
import { readPrivateKey } from '../../agent/runtime/certificates/private-key.ts';

/** What a connection proves and believes. */
export type CertifiedProof = Pick<ConnectionConfig, 'localAuthentication' | 'remoteAuthentication'>;

/** An authority of this hour, in whose certificates everybody believes. */
export class BenchAuthority {
  readonly root: TestAuthority;
  readonly #kind: TestKeyKind;
  readonly #validity = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS };
  readonly #trust: Trust;

  constructor(kind: TestKeyKind) {
    this.#kind = kind;
    this.root = TestAuthority.root('Root', kind, this.#validity);
    this.#trust = {
      fingerprint: 'root',
      anchors: [this.root.der],
      authorities: ['00'.repeat(20)],
      revocationLists: [],
      revocation: 'IfPresent',
      extendedKeyUsages: [],
    };
  }

  /**
   * A certificate and a key of its own for `name`. `recorded` may stand in front of the key, and have the same one once
   * more, which nobody has used yet.
   */
  proof(
    name: string,
    recorded: (key: SigningKey, unused: () => SigningKey) => SigningKey = (key) => key,
  ): CertifiedProof {
    const { der, key } = this.root.node(name, this.#validity, this.#kind);
    const signing = recorded(signingKey(key), () => signingKey(key));
    return {
      localAuthentication: {
        kind: 'certificate',
        credentials: [{ fingerprint: '', certificates: [der], authorities: [], key: signing, notAfterMs: 0 }],
        signatures: { rsaPadding: 'PSS', rsaSha1: false },
      },
      remoteAuthentication: { kind: 'certificate', trust: this.#trust, rsaSha1: false },
    };
  }
}

function signingKey(key: TestCertificate['key']): SigningKey {
  const read = readPrivateKey(keyPem(key));
  if (!read.ok) throw new Error(read.error);
  return read.value.signing;
}

const HOUR_MS = 3_600_000;
