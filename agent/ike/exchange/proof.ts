import { concatenate } from '../../crypto/bytes.ts';
import { constantTimeEqual } from '../../crypto/constant-time.ts';
import { type IkeRole, preSharedKeyAuth } from '../../crypto/keymat.ts';
import { readSignature, signAuth } from '../../pki/auth-data.ts';
import type { KeyHash } from '../../pki/credential.ts';
import { err, ok, type Result } from '../../result.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { AuthPayload } from '../../wire/payloads/auth.ts';
import type { CertPayload } from '../../wire/payloads/cert.ts';
import { type IdPayload, idPayloadBody } from '../../wire/payloads/identification.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { AuthMethod } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { identityText } from '../negotiation/identity.ts';
import type { Negotiated } from '../state.ts';
import type { Identity, RemoteAuthentication, VerificationJob } from '../types.ts';
import { certPayloads, chosenCredential, receivedCertificates } from './certificate-payloads.ts';

/** What a peer says about itself in IKE_AUTH. */
interface Claim {
  readonly sender: IkeRole;
  readonly identity: IdPayload;
  readonly auth: AuthPayload;
  readonly certs: readonly CertPayload[];
}

/** What has become of a claim; a signature is for the Verifier to judge. */
type ProofCheck =
  | { readonly kind: 'true' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'verify'; readonly job: VerificationJob };

/** Checks a peer's AUTH against its identity (RFC 7296 §2.15). */
export function checkProof(core: Core, connection: Connection, negotiated: Negotiated, claim: Claim): ProofCheck {
  const { sender, identity, auth } = claim;
  const octets = signedOctets(negotiated, sender, identity);
  const refused = (text: string): ProofCheck => {
    return { kind: 'refused', text: `${connection.config.name} (${identityText(identity)}) ${text}` };
  };
  const { remoteAuthentication } = connection.config;
  if (remoteAuthentication.kind === 'preSharedKey') {
    if (auth.method !== AuthMethod.SHARED_KEY_MIC) {
      const method = nameOf('authMethod', auth.method);
      return refused(`authenticates with ${method}, configured is a pre-shared key`);
    }
    const expected = preSharedKeyAuth(negotiated.handshake.cryptography.prf, remoteAuthentication.secret, octets);
    if (constantTimeEqual(expected, auth.data)) return { kind: 'true' };
    return refused('has another pre-shared key: give both sides the same');
  }
  if (auth.method === AuthMethod.SHARED_KEY_MIC) {
    return refused('authenticates with a pre-shared key, configured is a certificate');
  }
  const job = verificationJob(core, connection, remoteAuthentication, octets, claim);
  return job.ok ? { kind: 'verify', job: job.value } : refused(job.error);
}

/** What the Verifier gets to see; or why there is nothing to verify. */
function verificationJob(
  core: Core,
  connection: Connection,
  { trust, rsaSha1 }: Extract<RemoteAuthentication, { kind: 'certificate' }>,
  octets: readonly Uint8Array[],
  { identity, auth, certs }: Claim,
): Result<VerificationJob, string> {
  const read = readSignature(auth.method, auth.data, rsaSha1);
  if (!read.ok) return read;
  const certificates = receivedCertificates(certs, core.context.limits);
  if (certificates.length === 0) return err('sent no X.509 certificate: let it send the one that it signs with');
  return ok({
    id: core.nextNumber(),
    connection: connection.config.name,
    certificates,
    identity: { idType: identity.idType, data: identity.data },
    trust,
    ...read.value,
    signedOctets: concatenate(octets),
  });
}

/** Our identity with its proof, by what the peer understands. */
interface OwnProof {
  readonly role: IkeRole;
  /** Authorities that the peer's CERTREQ names. */
  readonly requested: readonly KeyHash[];
  /** What stands between our certificates and AUTH (RFC 7296 §1.2). */
  readonly between: readonly Payload[];
}

/** ID, CERT and AUTH of our own; or why the peer understands no proof that we have. */
export function ownProof(
  connection: Connection,
  negotiated: Negotiated,
  { role, requested, between }: OwnProof,
): Result<readonly Payload[], string> {
  const { name, localIdentity, localAuthentication } = connection.config;
  const identity = idPayload(role === 'initiator' ? 'idi' : 'idr', localIdentity);
  const octets = signedOctets(negotiated, role, identity);
  const { cryptography, peerHashes } = negotiated.handshake;
  if (localAuthentication.kind === 'preSharedKey') {
    const data = preSharedKeyAuth(cryptography.prf, localAuthentication.secret, octets);
    return ok([identity, ...between, { kind: 'auth', method: AuthMethod.SHARED_KEY_MIC, data }]);
  }
  const credential = chosenCredential(localAuthentication.credentials, requested);
  const signed = signAuth(credential.key, peerHashes, localAuthentication.signatures, concatenate(octets));
  if (!signed.ok) return err(`${name} cannot check our signature: ${signed.error}`);
  return ok([identity, ...certPayloads(credential), ...between, { kind: 'auth', ...signed.value }]);
}

/** An identity as it stands in a message. */
export function idPayload<Kind extends 'idi' | 'idr'>(kind: Kind, identity: Identity): IdPayload<Kind> {
  return { kind, idType: identity.idType, reserved: 0, data: identity.data };
}

function signedOctets({ handshake, keys }: Negotiated, sender: IkeRole, identity: IdPayload): readonly Uint8Array[] {
  const initiator = sender === 'initiator';
  const message = initiator ? handshake.request : handshake.response;
  const otherNonce = initiator ? handshake.responderNonce : handshake.initiatorNonce;
  return keys.signedOctets(sender, message, otherNonce, idPayloadBody(identity));
}
