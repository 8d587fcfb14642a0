import { err, ok, type Result } from '../../result.ts';
import type { IkeAuthRequest, IkeAuthResponse } from '../../wire/grammar.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import type { ChildAgreement } from '../child/child-sa.ts';
import type { Connection } from '../connection/connection.ts';
import { pastNotifies, readPast } from '../connection/instance.ts';
import { hasRoomForIkeSa } from '../connection/room.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { lowerOf } from '../negotiation/byte-order.ts';
import { identityText, sameIdentity } from '../negotiation/identity.ts';
import { espKeyBytes } from '../negotiation/suite.ts';
import type { NegotiationFailure, NewPair, Outcome, Refusal } from '../outcome.ts';
import type { NattedPath } from '../path/natd.ts';
import { isAuthenticationLifetime, withAuthenticationLifetime } from '../rekey/authentication-lifetime.ts';
import { shortened } from '../rekey/rekey-time.ts';
import type {
  AuthRequested,
  ChildOffer,
  Established,
  Negotiated,
  QueuedRequest,
  SuspendedMessage,
  Verifying,
} from '../state.ts';
import type { ChildConfig, Instant, Path, VerificationJob } from '../types.ts';
import { certificateRequest, requestedAuthorities } from './certificate-payloads.ts';
import { acceptChild, grantChild, offerChild, withdrawOffer } from './child-negotiation.ts';
import { asStated, statedCookie } from './init-cookie.ts';
import { checkProof, idPayload, ownProof } from './proof.ts';

/**
 * IKE_AUTH (RFC 7296 §1.2), with the first Child SA.
 *
 *     Initiator                                     Responder
 *     HDR, SK {IDi, [CERT,] [CERTREQ,]
 *         [IDr,] AUTH, SAi2, TSi, TSr}  -->
 *                      <--  HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr}
 */

/** The initiator's step after IKE_SA_INIT: proves who we are and asks for the first Child SA. */
export function authRequest(
  core: Core,
  connection: Connection,
  negotiated: Negotiated,
  way: NattedPath,
  replaces: number,
): Result<Outcome, Refusal> {
  const { config } = connection;
  const child = config.children[0];
  if (child === undefined) throw new Error(`connection ${config.name} has no Child`);
  const proof = ownProof(connection, negotiated, {
    role: 'initiator',
    requested: negotiated.handshake.requestedAuthorities,
    between: [...certificateRequest([config]), idPayload('idr', config.remoteIdentity)],
  });
  if (!proof.ok) return err(unprovable(connection, proof.error));
  const childless = config.childless === true && negotiated.handshake.childless;
  const { peerIsAgent } = negotiated.handshake;
  const asked = childless ? undefined : offerChild(core, child, way, { withKeyExchange: false, peerIsAgent });
  const replaced = connection.ikeSas.find(({ number }) => number === replaces);
  const past = pastNotifies(core, connection, peerIsAgent, replaced);
  const cookie = statedCookie(negotiated.handshake);
  const inner: Payload[] = [...proof.value, ...cookie, ...past, ...(asked?.payloads ?? [])];
  return ok({
    next: { kind: 'authRequested', ...negotiated, offer: asked?.offer },
    request: { exchangeType: ExchangeType.IKE_AUTH, payloads: inner },
  });
}

/** A received IKE_AUTH request with what is needed to come back to it after verification. */
export interface ReceivedAuthRequest {
  readonly request: IkeAuthRequest;
  readonly datagram: Uint8Array;
  readonly messageId: number;
  readonly path: Path;
  /** That of the IKE SA, which the Child SA shares: a copy of the message that comes from elsewhere changes nothing. */
  readonly way: NattedPath;
}

/** The responder's step: who is it, is it true, and what Child SA may it have. */
export function onAuthRequest(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  negotiated: Negotiated,
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
  const { idi: identity, auth, certs } = request;
  const stated = { ...negotiated, handshake: asStated(negotiated.handshake, request.notifies) };
  const check = checkProof(core, connection, stated, { sender: 'initiator', identity, auth, certs });
  switch (check.kind) {
    case 'true':
      return answerAuthRequest(core, at, connection, negotiated, received);
    case 'refused':
      return err(authenticationFailed(connection, 'us', check.text));
    case 'verify': {
      const inner: SuspendedMessage = { kind: 'request', connection, ...received };
      return ok(suspended(core, at, connection, negotiated, check.job, inner));
    }
  }
}

/** The rest of the responder's step, once the initiator is known to be who it says. */
export function answerAuthRequest(
  core: Core,
  at: Instant,
  connection: Connection,
  negotiated: Negotiated,
  received: ReceivedAuthRequest,
): Result<Outcome, Refusal> {
  const { request, way } = received;
  if (!hasRoomForIkeSa(connection, core.context.limits)) return err(tooMany(connection));
  const own = ownProof(connection, negotiated, {
    role: 'responder',
    requested: requestedAuthorities(request.certRequests, core.context.limits),
    between: [],
  });
  if (!own.ok) return err(authenticationFailed(connection, 'us', own.error));
  const { peerIsAgent } = negotiated.handshake;
  const proof: Payload[] = [...own.value, ...pastNotifies(core, connection, peerIsAgent, undefined)];
  const base: Outcome = {
    next: established(core, at, connection, negotiated),
    connection,
    past: readPast(request.notifies, peerIsAgent),
    facts: unknownNotifies(connection, request.notifies),
  };
  if (request.child === undefined) return ok({ ...base, reply: proof });
  const granted = grantChild(core, connection, { ...request.child, notifies: request.notifies }, way, FIRST_CHILD);
  if (!granted.ok) {
    const { notifyType, failure } = granted.error;
    return ok({ ...base, reply: [...proof, notify(notifyType)], failure });
  }
  return ok({
    ...base,
    reply: [...proof, ...granted.value.payloads],
    replyWithoutChild: [...proof, notify(NotifyType.TEMPORARY_FAILURE)],
    install: firstPair(negotiated, granted.value.agreement),
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
  const negotiated = { handshake, keys };
  if (response.kind === 'refused') return refusedByPeer(connection, response.notify.notifyType);
  if (!sameIdentity(connection.config.remoteIdentity, response.idr)) {
    const expected = identityText(connection.config.remoteIdentity);
    const text = `${connection.config.remoteAddress} says it is ${identityText(response.idr)}, configured for ${connection.config.name} is ${expected}`;
    return err(authenticationFailed(connection, 'us', text));
  }
  const { idr: identity, auth, certs } = response;
  const check = checkProof(core, connection, negotiated, { sender: 'responder', identity, auth, certs });
  switch (check.kind) {
    case 'true':
      return finishAuth(core, at, connection, negotiated, { offer, response });
    case 'refused':
      return err(authenticationFailed(connection, 'us', check.text));
    case 'verify': {
      const inner: SuspendedMessage = { kind: 'response', response, offer };
      return ok(suspended(core, at, connection, negotiated, check.job, inner));
    }
  }
}

/** The rest of the initiator's step, once the responder is known to be who it says. */
export function finishAuth(
  core: Core,
  at: Instant,
  connection: Connection,
  negotiated: Negotiated,
  { offer, response }: Pick<Extract<SuspendedMessage, { kind: 'response' }>, 'offer' | 'response'>,
): Result<Outcome, Refusal> {
  const { notifies } = response;
  const standing = established(core, at, connection, negotiated);
  const demanded = withAuthenticationLifetime(core, at, connection, standing, notifies);
  const base: Outcome = {
    next: demanded.state,
    past: readPast(notifies, negotiated.handshake.peerIsAgent),
    facts: [
      ...demanded.facts,
      ...unknownNotifies(
        connection,
        notifies.filter((each) => !isAuthenticationLifetime(connection, each)),
      ),
    ],
  };
  if (offer === undefined) return ok({ ...base, enqueue: connection.config.children.map(asFurtherChild) });
  if (response.child.kind !== 'accepted') {
    withdrawOffer(core, offer);
    const refusal = response.child.kind === 'refused' ? response.child.notify.notifyType : undefined;
    return ok({ ...base, failure: childRefusedByPeer(connection, offer, refusal) });
  }
  const accepted = acceptChild(
    core,
    connection,
    offer,
    { ...response.child, notifies: response.notifies },
    FIRST_CHILD,
  );
  if (!accepted.ok) {
    withdrawOffer(core, offer);
    // The peer has installed it: it is told to delete it again.
    const { inboundSpi } = offer;
    const enqueue = [{ kind: 'deleteChild', inboundSpi, outboundSpi: undefined, reason: 'negotiationFailed' }] as const;
    return ok({ ...base, failure: accepted.error, enqueue });
  }
  return ok({
    ...base,
    install: firstPair(negotiated, accepted.value),
  });
}

/** After a childless IKE_AUTH every Child SA is asked for by CREATE_CHILD_SA, with a key exchange of its own. */
function asFurtherChild({ name }: ChildConfig): QueuedRequest {
  return { kind: 'createChild', child: name, group: undefined };
}

function firstPair(negotiated: Negotiated, agreement: ChildAgreement): NewPair {
  return { agreement, keys: childKeys(negotiated, agreement), rekeys: undefined, redundant: false };
}

/** The keys of a Child SA made in IKE_AUTH: from the nonces of IKE_SA_INIT (RFC 7296 §2.17). */
function childKeys({ keys, handshake }: Negotiated, agreement: ChildAgreement) {
  const { encryption, integrity } = espKeyBytes(agreement.suite);
  return keys.childKeys({
    initiatorNonce: handshake.initiatorNonce,
    responderNonce: handshake.responderNonce,
    encryptionKeyBytes: encryption,
    integrityKeyBytes: integrity,
  });
}

function established(core: Core, at: Instant, connection: Connection, negotiated: Negotiated): Established {
  const { handshake, keys } = negotiated;
  const { initiatorNonce, responderNonce, cryptography, peerIsAgent } = handshake;
  const { ikeLifetimeMs, reauthenticationMs } = connection.config;
  const { jitter } = core.context.random;
  return {
    kind: 'established',
    keys,
    cryptography,
    establishedAt: at,
    authenticatedAt: at,
    lowestNonce: lowerOf(initiatorNonce, responderNonce),
    peerIsAgent,
    children: [],
    asked: undefined,
    followUp: undefined,
    rekeyAt: at + shortened(ikeLifetimeMs, jitter),
    rekeyingSince: undefined,
    demandedAt: undefined,
    reauthenticateAt: reauthenticationMs && at + shortened(reauthenticationMs, jitter),
    settleAt: undefined,
    endsAt: undefined,
    rivalOf: undefined,
  };
}

function suspended(
  core: Core,
  at: Instant,
  connection: Connection,
  { handshake, keys }: Negotiated,
  job: VerificationJob,
  inner: SuspendedMessage,
): Outcome {
  const expiresAt = at + core.context.limits.verificationTimeoutMs;
  const next: Verifying = { kind: 'verifying', job: job.id, since: at, expiresAt, handshake, keys, inner };
  return { next, verify: job, connection };
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

/** The peer hears that it may try again, for there will be room once others have ended. */
function tooMany(connection: Connection): Refusal {
  const { name } = connection.config;
  const text = `${name} begins one IKE SA after the other and ends none: it may have no more here until some have ended; see its log`;
  const failure = { reason: 'peerViolation', by: 'us', text } as const;
  return {
    kind: 'fatal',
    notify: notify(NotifyType.TEMPORARY_FAILURE),
    close: 'negotiationFailed',
    failure,
    connection,
  };
}

/** Nothing has been sent that the peer would have to hear the end of. */
function unprovable(connection: Connection, text: string): Refusal {
  const failure = { reason: 'authenticationFailed', by: 'us', text } as const;
  return { kind: 'fatal', notify: undefined, close: 'negotiationFailed', failure, connection };
}

function refusedByPeer(connection: Connection, notifyType: number): Result<Outcome, Refusal> {
  const { name, remoteAddress, localIdentity, localAuthentication } = connection.config;
  const failed = notifyType === NotifyType.AUTHENTICATION_FAILED;
  const remedy =
    localAuthentication.kind === 'preSharedKey'
      ? 'compare the pre-shared keys and identities of both sides'
      : 'its log tells why it does not believe our certificate (authority, identity, validity, revocation)';
  const text = failed
    ? `${name} (${remoteAddress}) does not accept us as ${identityText(localIdentity)}: ${remedy}`
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

const UNDERSTOOD: ReadonlySet<number> = new Set([
  NotifyType.INITIAL_CONTACT,
  NotifyType.AGENT_INSTANCE,
  NotifyType.COOKIE,
  NotifyType.USE_TRANSPORT_MODE,
]);
const FIRST_CHILD = { withKeyExchange: false, rekeyed: undefined } as const;
