import { concatenate } from '../../crypto/bytes.ts';
import { constantTimeEqual } from '../../crypto/constant-time.ts';
import { type IkeRole, preSharedKeyAuth } from '../../crypto/keymat.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { AuthPayload } from '../../wire/payloads/auth.ts';
import type { CertPayload } from '../../wire/payloads/cert.ts';
import { type IdPayload, idPayloadBody } from '../../wire/payloads/identification.ts';
import { AuthMethod, CertEncoding } from '../../wire/registry.ts';
import type { Connection } from '../connection.ts';
import type { Core } from '../core.ts';
import { identityText } from '../identity.ts';
import type { Negotiated } from '../state.ts';
import type { Identity, VerificationJob } from '../types.ts';

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
  const { sender, identity, auth, certs } = claim;
  const octets = signedOctets(negotiated, sender, identity);
  const refused = (text: string): ProofCheck => {
    return { kind: 'refused', text: `${connection.config.name} (${identityText(identity)}) ${text}` };
  };
  const { remoteAuthentication, preSharedKey } = connection.config;
  if (remoteAuthentication.kind === 'preSharedKey') {
    if (auth.method !== AuthMethod.SHARED_KEY_MIC) {
      const method = nameOf('authMethod', auth.method);
      return refused(`authenticates with ${method}, configured is a pre-shared key`);
    }
    const expected = preSharedKeyAuth(negotiated.handshake.cryptography.prf, preSharedKey, octets);
    if (constantTimeEqual(expected, auth.data)) return { kind: 'true' };
    return refused('has another pre-shared key: give both sides the same');
  }
  if (auth.method === AuthMethod.SHARED_KEY_MIC) {
    return refused('authenticates with a pre-shared key, configured is a certificate');
  }
  const job: VerificationJob = {
    id: core.nextNumber(),
    connection: connection.config.name,
    certificates: certs
      .filter((cert) => cert.encoding === CertEncoding.X509_SIGNATURE)
      .slice(0, core.context.limits.certificates)
      .map((cert) => cert.data),
    identity: { idType: identity.idType, data: identity.data },
    method: auth.method,
    signature: auth.data,
    signedOctets: concatenate(octets),
  };
  return { kind: 'verify', job };
}

/** Our own AUTH. */
export function ownProof(
  connection: Connection,
  negotiated: Negotiated,
  role: IkeRole,
  identity: IdPayload,
): AuthPayload {
  const octets = signedOctets(negotiated, role, identity);
  const data = preSharedKeyAuth(negotiated.handshake.cryptography.prf, connection.config.preSharedKey, octets);
  return { kind: 'auth', method: AuthMethod.SHARED_KEY_MIC, data };
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
