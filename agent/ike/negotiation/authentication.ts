import { sameBytes } from '../../crypto/bytes.ts';
import type { SecretBytes } from '../../crypto/secret.ts';
import { sameCredential, type Trust } from '../../pki/credential.ts';
import type { ConnectionConfig } from '../types.ts';

type Authentication = Pick<ConnectionConfig, 'localAuthentication' | 'remoteAuthentication'>;

/** Both sides prove themselves by the same pre-shared key. */
export function byPreSharedKey(secret: SecretBytes): Authentication {
  return {
    localAuthentication: { kind: 'preSharedKey', secret },
    remoteAuthentication: { kind: 'preSharedKey', secret },
  };
}

/** The pre-shared keys of a connection; the same one twice where both sides use it. */
export function secretsOf({ localAuthentication, remoteAuthentication }: Authentication): readonly SecretBytes[] {
  return [localAuthentication, remoteAuthentication].flatMap((side) =>
    side.kind === 'preSharedKey' ? [side.secret] : [],
  );
}

/** Wipes the pre-shared keys of a connection that is not used any more, except what its successor goes on using. */
export function wipeSecrets(from: Authentication, successor?: Authentication): void {
  const kept = successor === undefined ? [] : secretsOf(successor);
  for (const secret of secretsOf(from)) if (!kept.includes(secret)) secret.wipe();
}

/** Whether two connections prove the same by the same means: keys, certificates and whom they believe. */
export function sameAuthentication(left: Authentication, right: Authentication): boolean {
  return (
    sameLocal(left.localAuthentication, right.localAuthentication) &&
    sameRemote(left.remoteAuthentication, right.remoteAuthentication)
  );
}

/**
 * Whether the sides have to prove themselves anew: by a new key or certificate, or to somebody who believes others. A new
 * revocation list is not worth that: whoever it names is found without it.
 */
export function needsNewProof(before: Authentication, after: Authentication): boolean {
  if (!sameLocal(before.localAuthentication, after.localAuthentication)) return true;
  const [left, right] = [before.remoteAuthentication, after.remoteAuthentication];
  if (left.kind !== 'certificate' || right.kind !== 'certificate') return !sameRemote(left, right);
  return left.rsaSha1 !== right.rsaSha1 || !sameBelief(left.trust, right.trust);
}

function sameBelief(left: Trust, right: Trust): boolean {
  return (
    left.revocation === right.revocation &&
    left.extendedKeyUsages.join() === right.extendedKeyUsages.join() &&
    left.anchors.length === right.anchors.length &&
    left.anchors.every((anchor, index) => sameBytes(anchor, right.anchors[index] ?? anchor.subarray(1)))
  );
}

function sameLocal(left: Authentication['localAuthentication'], right: Authentication['localAuthentication']): boolean {
  if (left.kind === 'preSharedKey') return right.kind === 'preSharedKey' && left.secret.equals(right.secret);
  return (
    right.kind === 'certificate' &&
    left.signatures.rsaPadding === right.signatures.rsaPadding &&
    left.signatures.rsaSha1 === right.signatures.rsaSha1 &&
    left.credentials.length === right.credentials.length &&
    left.credentials.every((credential, index) => {
      const other = right.credentials[index];
      return other !== undefined && sameCredential(credential, other);
    })
  );
}

function sameRemote(
  left: Authentication['remoteAuthentication'],
  right: Authentication['remoteAuthentication'],
): boolean {
  if (left.kind === 'preSharedKey') return right.kind === 'preSharedKey' && left.secret.equals(right.secret);
  return (
    right.kind === 'certificate' && left.rsaSha1 === right.rsaSha1 && left.trust.fingerprint === right.trust.fingerprint
  );
}
