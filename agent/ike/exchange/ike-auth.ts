import { constantTimeEqual } from '../../crypto/constant-time.ts';
import { type IkeKeys, type IkeRole, preSharedKeyAuth } from '../../crypto/keymat.ts';
import { err, ok, type Result } from '../../result.ts';
import type { IkeAuthRequest, IkeAuthResponse } from '../../wire/grammar.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { AuthPayload } from '../../wire/payloads/auth.ts';
import type { CertPayload } from '../../wire/payloads/cert.ts';
import { type IdPayload, idPayloadBody } from '../../wire/payloads/identification.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { AuthMethod, CertEncoding, ExchangeType, NotifyType } from '../../wire/registry.ts';
import type { ChildAgreement } from '../child-sa.ts';
import type { Connection } from '../connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { identityText, sameIdentity } from '../identity.ts';
import { hasNotify, notify } from '../notify.ts';
import type { NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import type { AuthRequested, ChildOffer, Established, Handshake, SuspendedMessage } from '../state.ts';
import { espKeyBytes } from '../suite.ts';
import type { Identity, Instant, Path, VerificationJob } from '../types.ts';
import { fraction } from '../window.ts';
import { acceptChild, grantChild, offerChild } from './child-negotiation.ts';

/**
 * IKE_AUTH (RFC 7296 §1.2), with the first Child SA.
 *
 *     Initiator                                     Responder
 *     HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr} -->
 *                             <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
 */

/** The initiator's step after IKE_SA_INIT: proves who we are and asks for the first Child SA. */
export function authRequest(
  core: Core,
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
  path: Path,
): Outcome {
  const { config } = connection;
  const child = config.children[0];
  if (child === undefined) throw new Error(`connection ${config.name} has no Child`);
  const identity = idPayload('idi', config.localIdentity);
  const { offer, payloads } = offerChild(core, child, path, false);
  const inner: Payload[] = [
    identity,
    idPayload('idr', config.remoteIdentity),
    ownProof(connection, handshake, keys, 'initiator', identity),
    ...(connection.contacted ? [] : [notify(NotifyType.INITIAL_CONTACT)]),
    ...payloads,
  ];
  return {
    next: { kind: 'authRequested', handshake, keys, offer },
    request: { exchangeType: ExchangeType.IKE_AUTH, payloads: inner },
  };
}

/** A received IKE_AUTH request with what is needed to come back to it after verification. */
export interface ReceivedAuthRequest {
  readonly request: IkeAuthRequest;
  readonly datagram: Uint8Array;
  readonly messageId: number;
  readonly path: Path;
}

/** The responder's step: who is it, is it true, and what Child SA may it have. */
export function onAuthRequest(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  handshake: Handshake,
  keys: IkeKeys,
  received: ReceivedAuthRequest,
): Result<Outcome, Refusal> {
  const { request } = received;
  const connection = candidates.find(
    ({ config }) =>
      sameIdentity(config.remoteIdentity, request.idi) &&
      (request.idr === undefined || sameIdentity(config.localIdentity, request.idr)),
  );
  if (connection === undefined) {
    const asked = request.idr === undefined ? '' : ` asking for ${identityText(request.idr)}`;
    const who = `${identityText(request.idi)} at ${received.path.remoteAddress}${asked}`;
    return err(
      authenticationFailed(undefined, 'us', `${who} matches no configured peer: check the identities on both sides`),
    );
  }
  if (request.auth === undefined) {
    return err(
      authenticationFailed(connection, 'us', `${connection.config.name} wants EAP, which is not configured here`),
    );
  }
  const check = checkProof(core, connection, handshake, keys, 'initiator', request.idi, request.auth, request.certs);
  switch (check.kind) {
    case 'true':
      return answerAuthRequest(core, at, connection, handshake, keys, received);
    case 'refused':
      return err(authenticationFailed(connection, 'us', check.text));
    case 'verify': {
      const inner: SuspendedMessage = { kind: 'request', connection, ...received };
      return ok(suspended(core, at, check.job, handshake, keys, inner, connection));
    }
  }
}

/** The rest of the responder's step, once the initiator is known to be who it says. */
export function answerAuthRequest(
  core: Core,
  at: Instant,
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
  received: ReceivedAuthRequest,
): Result<Outcome, Refusal> {
  const { request, path } = received;
  const identity = idPayload('idr', connection.config.localIdentity);
  const proof: Payload[] = [identity, ownProof(connection, handshake, keys, 'responder', identity)];
  if (!connection.contacted) proof.push(notify(NotifyType.INITIAL_CONTACT));
  const base: Outcome = {
    next: established(core, at, connection, handshake, keys),
    connection,
    initialContact: hasNotify(request.notifies, NotifyType.INITIAL_CONTACT),
    facts: unknownNotifies(connection, request.notifies),
  };
  if (request.child === undefined) return ok({ ...base, reply: proof });
  const granted = grantChild(core, connection, { ...request.child, notifies: request.notifies }, path, false);
  if (!granted.ok) {
    const { notifyType, failure } = granted.error;
    return ok({ ...base, reply: [...proof, notify(notifyType)], failure });
  }
  return ok({
    ...base,
    reply: [...proof, ...granted.value.payloads],
    replyWithoutChild: [...proof, notify(NotifyType.TEMPORARY_FAILURE)],
    install: { agreement: granted.value.agreement, keys: childKeys(keys, handshake, granted.value.agreement) },
  });
}

/** The initiator's step on the answer. */
export function onAuthResponse(
  core: Core,
  at: Instant,
  state: AuthRequested,
  connection: Connection,
  response: IkeAuthResponse,
): Result<Outcome, Refusal> {
  const { handshake, keys, offer } = state;
  if (response.kind === 'refused') return refusedByPeer(connection, response.notify.notifyType);
  if (!sameIdentity(connection.config.remoteIdentity, response.idr)) {
    const expected = identityText(connection.config.remoteIdentity);
    const text = `${connection.config.remoteAddress} says it is ${identityText(response.idr)}, configured for ${connection.config.name} is ${expected}`;
    return err(authenticationFailed(connection, 'us', text));
  }
  const check = checkProof(core, connection, handshake, keys, 'responder', response.idr, response.auth, response.certs);
  switch (check.kind) {
    case 'true':
      return finishAuth(core, at, connection, handshake, keys, offer, response);
    case 'refused':
      return err(authenticationFailed(connection, 'us', check.text));
    case 'verify': {
      const inner: SuspendedMessage = { kind: 'response', response, offer };
      return ok(suspended(core, at, check.job, handshake, keys, inner, connection));
    }
  }
}

/** The rest of the initiator's step, once the responder is known to be who it says. */
export function finishAuth(
  core: Core,
  at: Instant,
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
  offer: ChildOffer,
  response: Extract<IkeAuthResponse, { kind: 'authenticated' }>,
): Result<Outcome, Refusal> {
  const base: Outcome = {
    next: established(core, at, connection, handshake, keys),
    initialContact: hasNotify(response.notifies, NotifyType.INITIAL_CONTACT),
    facts: unknownNotifies(connection, response.notifies),
  };
  if (response.child.kind !== 'accepted') {
    core.espSpis.delete(offer.inboundSpi);
    const refusal = response.child.kind === 'refused' ? response.child.notify.notifyType : undefined;
    return ok({ ...base, failure: childRefusedByPeer(connection, offer, refusal) });
  }
  const accepted = acceptChild(core, connection, offer, { ...response.child, notifies: response.notifies }, false);
  if (!accepted.ok) {
    core.espSpis.delete(offer.inboundSpi);
    // The peer has installed it: it is told to delete it again.
    return ok({ ...base, failure: accepted.error, enqueue: [{ kind: 'deleteChild', inboundSpi: offer.inboundSpi }] });
  }
  return ok({
    ...base,
    install: { agreement: accepted.value, keys: childKeys(keys, handshake, accepted.value) },
  });
}

/** The keys of a Child SA made in IKE_AUTH: from the nonces of IKE_SA_INIT (RFC 7296 §2.17). */
function childKeys(keys: IkeKeys, handshake: Handshake, agreement: ChildAgreement) {
  const { encryption, integrity } = espKeyBytes(agreement.suite);
  return keys.childKeys({
    initiatorNonce: handshake.initiatorNonce,
    responderNonce: handshake.responderNonce,
    encryptionKeyBytes: encryption,
    integrityKeyBytes: integrity,
  });
}

function established(
  core: Core,
  at: Instant,
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
): Established {
  const { initiatorNonce, responderNonce, cryptography } = handshake;
  // Stretched over the last fifth of the lifetime, so that a mesh does not replace all its SAs in step.
  const lifetimeMs = connection.config.ikeLifetimeMs * (1 - 0.2 * fraction(core.context.random.jitter));
  return {
    kind: 'established',
    keys,
    cryptography,
    establishedAt: at,
    lowestNonce: lowerBytes(initiatorNonce, responderNonce),
    children: [],
    asked: undefined,
    replaceAt: at + lifetimeMs,
    settleAt: undefined,
    endsAt: undefined,
  };
}

type ProofCheck =
  | { readonly kind: 'true' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'verify'; readonly job: VerificationJob };

/** Checks AUTH of `sender`, the peer, against its identity (RFC 7296 §2.15). */
function checkProof(
  core: Core,
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
  sender: IkeRole,
  identity: IdPayload,
  auth: AuthPayload,
  certs: readonly CertPayload[],
): ProofCheck {
  const octets = signedOctets(handshake, keys, sender, identity);
  const peer = `${connection.config.name} (${identityText(identity)})`;
  const { remoteAuthentication, preSharedKey } = connection.config;
  if (remoteAuthentication.kind === 'preSharedKey') {
    if (auth.method !== AuthMethod.SHARED_KEY_MIC) {
      const method = nameOf('authMethod', auth.method);
      return { kind: 'refused', text: `${peer} authenticates with ${method}, configured is a pre-shared key` };
    }
    const expected = preSharedKeyAuth(handshake.cryptography.prf, preSharedKey, octets);
    if (constantTimeEqual(expected, auth.data)) return { kind: 'true' };
    return { kind: 'refused', text: `${peer} has another pre-shared key: give both sides the same` };
  }
  if (auth.method === AuthMethod.SHARED_KEY_MIC) {
    return { kind: 'refused', text: `${peer} authenticates with a pre-shared key, configured is a certificate` };
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
    signedOctets: joined(octets),
  };
  return { kind: 'verify', job };
}

function suspended(
  core: Core,
  at: Instant,
  job: VerificationJob,
  handshake: Handshake,
  keys: IkeKeys,
  inner: SuspendedMessage,
  connection: Connection,
): Outcome {
  const expiresAt = at + core.context.limits.verificationTimeoutMs;
  return { next: { kind: 'verifying', job: job.id, expiresAt, handshake, keys, inner }, verify: job, connection };
}

function ownProof(
  connection: Connection,
  handshake: Handshake,
  keys: IkeKeys,
  role: IkeRole,
  identity: IdPayload,
): AuthPayload {
  const octets = signedOctets(handshake, keys, role, identity);
  const data = preSharedKeyAuth(handshake.cryptography.prf, connection.config.preSharedKey, octets);
  return { kind: 'auth', method: AuthMethod.SHARED_KEY_MIC, data };
}

function signedOctets(
  handshake: Handshake,
  keys: IkeKeys,
  sender: IkeRole,
  identity: IdPayload,
): readonly Uint8Array[] {
  const initiator = sender === 'initiator';
  const message = initiator ? handshake.request : handshake.response;
  const otherNonce = initiator ? handshake.responderNonce : handshake.initiatorNonce;
  return keys.signedOctets(sender, message, otherNonce, idPayloadBody(identity));
}

function idPayload<Kind extends 'idi' | 'idr'>(kind: Kind, identity: Identity): IdPayload<Kind> {
  return { kind, idType: identity.idType, reserved: 0, data: identity.data };
}

/** The refused side is told once (RFC 7296 §2.21.2); the IKE SA ends. */
export function authenticationFailed(connection: Connection | undefined, by: 'us' | 'peer', text: string): Refusal {
  return {
    kind: 'fatal',
    notify: notify(NotifyType.AUTHENTICATION_FAILED),
    close: 'negotiationFailed',
    failure: { reason: 'authenticationFailed', by, text },
    connection,
  };
}

function refusedByPeer(connection: Connection, notifyType: number): Result<Outcome, Refusal> {
  const { name, remoteAddress, localIdentity } = connection.config;
  const failed = notifyType === NotifyType.AUTHENTICATION_FAILED;
  const text = failed
    ? `${name} (${remoteAddress}) does not accept us as ${identityText(localIdentity)}: compare the pre-shared keys and identities of both sides`
    : `${name} (${remoteAddress}) refused IKE_AUTH with ${nameOf('notify', notifyType)}: see its log`;
  return err({
    kind: 'fatal',
    notify: undefined,
    close: 'negotiationFailed',
    failure: { reason: failed ? 'authenticationFailed' : 'refusedByPeer', by: 'peer', text },
  });
}

function childRefusedByPeer(
  connection: Connection,
  offer: ChildOffer,
  notifyType: number | undefined,
): NegotiationFailure {
  const peer = connection.config.name;
  const child = offer.config.name;
  switch (notifyType) {
    case NotifyType.NO_PROPOSAL_CHOSEN:
      return {
        reason: 'noProposalChosen',
        by: 'peer',
        text: `${peer} accepts none of our ESP proposals for Child ${child}, or not its mode: set both alike on both sides`,
      };
    case NotifyType.TS_UNACCEPTABLE:
      return {
        reason: 'trafficSelectorsUnacceptable',
        by: 'peer',
        text: `${peer} accepts none of the traffic selectors of Child ${child}: compare them with its configuration`,
      };
    default: {
      const answer = notifyType === undefined ? 'no Child SA' : nameOf('notify', notifyType);
      return {
        reason: 'refusedByPeer',
        by: 'peer',
        text: `${peer} answered Child ${child} with ${answer}: see its log`,
      };
    }
  }
}

/** Status notifies of IKE_AUTH that carry no meaning here are reported, never acted on (RFC 7296 §3.10.1). */
function unknownNotifies(connection: Connection, notifies: IkeAuthRequest['notifies']): readonly Fact[] {
  return notifies
    .filter((each) => !UNDERSTOOD.has(each.notifyType))
    .map((each) => ({ kind: 'notifyIgnored', connection: connection.config.name, notifyType: each.notifyType }));
}

function lowerBytes(left: Uint8Array, right: Uint8Array): Uint8Array {
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0 ? left : right;
  }
  return left.length <= right.length ? left : right;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

const UNDERSTOOD: ReadonlySet<number> = new Set([NotifyType.INITIAL_CONTACT, NotifyType.USE_TRANSPORT_MODE]);
