import { bytesFromHex, concatenate, hexFromBytes } from '../../crypto/bytes.ts';
import type { Credential, KeyHash } from '../../pki/credential.ts';
import { ACCEPTED_HASHES } from '../../pki/signature-scheme.ts';
import { decodeNotifyData, notifyOf } from '../../wire/notify-data.ts';
import type { CertPayload } from '../../wire/payloads/cert.ts';
import type { CertReqPayload } from '../../wire/payloads/certreq.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { CertEncoding, NotifyType } from '../../wire/registry.ts';
import type { Limits } from '../limits.ts';
import type { ConnectionConfig } from '../types.ts';

/** Our certificate and those between it and its authority (RFC 7296 §3.6). */
export function certPayloads(credential: Credential): readonly Payload[] {
  return credential.certificates.map((data) => ({ kind: 'cert', encoding: CertEncoding.X509_SIGNATURE, data }));
}

/** The certificates of a peer, those of its own first; other encodings are passed over. */
export function receivedCertificates(certs: readonly CertPayload[], limits: Limits): readonly Uint8Array[] {
  return certs
    .filter((cert) => cert.encoding === CertEncoding.X509_SIGNATURE)
    .slice(0, limits.certificates)
    .map((cert) => cert.data);
}

/** Asks the peer for a certificate of an authority that we trust, where it is to show one (RFC 7296 §3.7). */
export function certificateRequest(peers: readonly ConnectionConfig[]): readonly Payload[] {
  const authorities = new Set<KeyHash>();
  for (const { remoteAuthentication } of peers) {
    if (remoteAuthentication.kind !== 'certificate') continue;
    for (const authority of remoteAuthentication.trust.authorities) authorities.add(authority);
  }
  if (authorities.size === 0) return [];
  const data = concatenate(Array.from(authorities, bytesFromHex));
  return [{ kind: 'certreq', encoding: CertEncoding.X509_SIGNATURE, data }];
}

/** The authorities that a peer asks for, in all its CERTREQs together. */
export function requestedAuthorities(requests: readonly CertReqPayload[], limits: Limits): readonly KeyHash[] {
  const hashes: KeyHash[] = [];
  for (const { encoding, data } of requests) {
    if (encoding !== CertEncoding.X509_SIGNATURE) continue;
    for (let offset = 0; offset < data.length && hashes.length < limits.requestedAuthorities; offset += HASH_BYTES) {
      hashes.push(hexFromBytes(data.subarray(offset, offset + HASH_BYTES)));
    }
  }
  return hashes;
}

/** The credential that the peer asks for; our first one where it asks for none that we have, or for none at all. */
export function chosenCredential(
  credentials: readonly [Credential, ...Credential[]],
  requested: readonly KeyHash[],
): Credential {
  return credentials.find(({ authorities }) => authorities.some((hash) => requested.includes(hash))) ?? credentials[0];
}

/** Tells the hashes that we accept in signatures, where either side may have to sign (RFC 7427 §4). */
export function signatureHashes(peers: readonly ConnectionConfig[]): readonly NotifyPayload[] {
  const signs = peers.some(
    (peer) => peer.localAuthentication.kind === 'certificate' || peer.remoteAuthentication.kind === 'certificate',
  );
  return signs ? [notifyOf({ kind: 'signatureHashAlgorithms', algorithms: ACCEPTED_HASHES })] : [];
}

/** Those of our hashes that the peer accepts in signatures; undefined where it does not say, or not in proper form. */
export function peerHashes(notifies: readonly NotifyPayload[]): readonly number[] | undefined {
  const announced = notifies.find(({ notifyType }) => notifyType === NotifyType.SIGNATURE_HASH_ALGORITHMS);
  const data = announced && decodeNotifyData(announced);
  if (data?.ok !== true || data.value.kind !== 'signatureHashAlgorithms') return undefined;
  // Of strangers nothing is kept that is as long as they like.
  const { algorithms } = data.value;
  return ACCEPTED_HASHES.filter((hash) => algorithms.includes(hash));
}

/** SHA-1. */
const HASH_BYTES = 20;
