import { type KeyObject, X509Certificate } from 'node:crypto';

import type { ConnectionConfig, VerificationJob, VerificationRefusal } from '../../agent/ike/types.ts';
import type { SigningKey } from '../../agent/pki/credential.ts';
import type { TestKeyKind } from '../../agent/pki/testing/authority.ts';
import type { Result } from '../../agent/result.ts';
import { isSignedBy } from '../../agent/runtime/certificates/public-key.ts';
import { systemClock } from '../../agent/runtime/clock-system.ts';
import { CertificateVerifier } from '../../agent/runtime/verifier.ts';
import { BenchAuthority, type CertifiedProof } from './certified.ts';
import { connectionPair } from './connections.ts';
import type { Primitive } from './record-primitives.ts';

/** How the ends of measured handshakes prove who they are. */
export interface Proof {
  readonly name: string;
  /** The two matching connections of pair `number`. */
  readonly pair: (number: number) => ConnectionPair;
  /** Makes what an end verifies certificates with, which knows nobody yet. */
  readonly verifier: () => Verify;
}

/** The connections of both ends with one another. */
export interface ConnectionPair {
  readonly left: ConnectionConfig;
  readonly right: ConnectionConfig;
}

/** Judges a certificate and a signature at once, as the agent's own verifier does. */
export type Verify = (job: VerificationJob) => Result<void, VerificationRefusal>;

/** Hears of a primitive before it is computed. */
type Note = (primitive: Primitive) => void;

/** Both ends know a secret, each pair its own. */
export const preSharedKeyProof: Proof = {
  name: 'pre-shared key',
  pair: connectionPair,
  verifier: () => () => {
    throw new Error('pre-shared keys need no verification');
  },
};

/**
 * Each end of each pair has a certificate and a key of its own, issued by one root. `note` hears of each signature that
 * is made or checked, before it is.
 */
export function certificateProof(kind: TestKeyKind, note?: Note): Proof {
  const authority = new BenchAuthority(kind);
  const rootKey = new X509Certificate(authority.root.der).publicKey;
  const proof = (name: string): CertifiedProof =>
    authority.proof(name, (own, unused) => (note === undefined ? own : recordingKey(own, unused(), note)));
  return {
    name: `${kind} certificates`,
    pair: (number) => {
      const { left, right } = connectionPair(number);
      return { left: { ...left, ...proof(right.name) }, right: { ...right, ...proof(left.name) } };
    },
    verifier: () => {
      const verifier = new CertificateVerifier(systemClock);
      return (job) => {
        if (note !== undefined) noteChecks(job, rootKey, kind, note);
        return verifier.check(job);
      };
    },
  };
}

/** The first use of a key costs more than further ones, so what is run again has it as an `unused` key of its own. */
function recordingKey(own: SigningKey, unused: SigningKey, note: Note): SigningKey {
  const { kind } = own;
  return {
    kind,
    sign: (scheme, octets) => {
      const run = (): void => void unused.sign(scheme, octets);
      note({ kind: 'signature', name: `${kind} signature`, inputBytes: octets.length, hmacs: 0, run });
      return own.sign(scheme, octets);
    },
  };
}

/** The two signatures that have to be checked: that of the authority on the certificate, and that of its owner. */
function noteChecks(
  { certificates, scheme, signature, signedOctets }: VerificationJob,
  issuerKey: KeyObject,
  kind: TestKeyKind,
  note: Note,
): void {
  const shown = new X509Certificate(certificates[0] ?? new Uint8Array(0));
  const key = shown.publicKey;
  const check = (name: string, inputBytes: number, run: () => unknown): void => {
    note({
      kind: 'verification',
      name: `${kind} verification of ${name}`,
      inputBytes,
      hmacs: 0,
      run: () => void run(),
    });
  };
  check('a certificate', certificates[0]?.length ?? 0, () => shown.verify(issuerKey));
  check('AUTH', signedOctets.length, () => isSignedBy(key, scheme, signedOctets, signature));
}
