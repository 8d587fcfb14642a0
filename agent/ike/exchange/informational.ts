import { ok, type Result } from '../../result.ts';
import type { Informational } from '../../wire/grammar.ts';
import { notifyOf } from '../../wire/notify-data.ts';
import type { DeletePayload } from '../../wire/payloads/delete.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType, Protocol } from '../../wire/registry.ts';
import type { ChildSa } from '../child/child-sa.ts';
import { readReceived, receivedNotifies } from '../child/received.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { hasNotify, notify } from '../message/notify.ts';
import type { NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import { isAuthenticationLifetime, withAuthenticationLifetime } from '../rekey/authentication-lifetime.ts';
import { decide } from '../rekey/collision.ts';
import { ownOperation, targetOf } from '../rekey/under-way.ts';
import type { Deleting, Established, IkeSa, QueuedRequest, Rekeyed } from '../state.ts';
import type { Instant } from '../types.ts';
import { spiFromProposal, spiToBytes } from './child-negotiation.ts';

/**
 * INFORMATIONAL (RFC 7296 §1.4): deletes, notifies, and, empty, the question whether the peer is alive.
 *
 *     HDR, SK {[N,] [D,] [CP,] ...}  -->
 *                               <--  HDR, SK {[N,] [D,] [CP], ...}
 */

/** Answers a request of the peer. What follows the Delete of the IKE SA in the same message is not looked at. */
export function onInformationalRequest(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established | Rekeyed | Deleting,
  connection: Connection,
  request: Informational,
): Result<Outcome, Refusal> {
  // The question whether we are alive, by far the most frequent of all.
  if (request.deletes.length === 0 && request.notifies.length === 0) return ok({ next: state, reply: [] });
  const counts = state.kind === 'established' && state.peerIsAgent ? readReceived(request.notifies) : undefined;
  if (counts !== undefined && request.deletes.length === 0 && request.notifies.length === 1) {
    return ok({
      next: state,
      reply: receivedNotifies(at, connection, 'answers'),
      received: { counts, answer: undefined },
    });
  }
  const failure = fatalNotify(connection, request);
  if (failure !== undefined || request.deletes.some((each) => each.protocol === Protocol.IKE)) {
    const reason = failure === undefined ? 'deletedByPeer' : 'refusedByPeer';
    const close = state.kind === 'rekeyed' ? state.reason : reason;
    return ok({ next: state, reply: [], close, ...(failure && { failure }) });
  }
  if (state.kind !== 'established') return ok({ next: state, reply: [] });
  const ended = deletedChildren(sa, state, request.deletes);
  const demanded = withAuthenticationLifetime(core, at, connection, state, request.notifies);
  const facts = [...demanded.facts, ...unknownNotifies(connection, request.notifies)];
  const next = rememberUnknown(demanded.state, request.deletes);
  if (ended.length === 0) return ok({ next, reply: [], facts });
  // The answer names the other direction of each pair (RFC 7296 §1.4.1): what we receive on.
  const spis = ended.map((child) => spiToBytes(child.inboundSpi));
  return ok({
    next,
    reply: [deletePayload(spis)],
    remove: { inboundSpis: ended.map((child) => child.inboundSpi), reason: 'deletedByPeer' },
    facts,
  });
}

/** What the answer to a request of ours says: nothing, or that the peer has given the IKE SA up. */
export function onInformationalResponse(
  { state, window }: IkeSa,
  connection: Connection | undefined,
  response: Informational,
): Outcome {
  const failure = connection && fatalNotify(connection, response);
  const told = state.kind === 'established' && state.peerIsAgent ? readReceived(response.notifies) : undefined;
  const { pending } = window;
  const answer = pending && { askedAt: pending.openedAt, repeated: pending.attempt > 0 };
  const received = told && { received: { counts: told, answer } };
  // Liveness checks ask for nothing, and a copy of the state that each leaves behind would outlive the young generation.
  if (failure === undefined && state.kind === 'established' && state.asked !== undefined) {
    return { next: { ...state, asked: undefined }, ...received };
  }
  return failure === undefined ? { next: state, ...received } : { next: state, close: 'refusedByPeer', failure };
}

/** A request of ours that this exchange carries. */
export type InformationalRequest = Exclude<
  QueuedRequest,
  { kind: 'createChild' | 'rekeyChild' | 'rekeyIkeSa' | 'probePath' }
>;

/** The payloads of a request of ours. */
export function informationalRequest(request: InformationalRequest): readonly Payload[] {
  switch (request.kind) {
    case 'liveness':
      return [];
    case 'inviteReauthentication':
      return [AUTH_LIFETIME_OVER];
    case 'deleteIkeSa':
      return [DELETE_IKE_SA];
    case 'deleteChild':
      return [deletePayload([spiToBytes(request.inboundSpi)])];
    case 'authenticationFailed':
      return [notify(NotifyType.AUTHENTICATION_FAILED), DELETE_IKE_SA];
  }
}

/**
 * The Child SAs that a Delete means: it lists what its sender receives on, which is what we send on (RFC 7296 §3.11).
 * What we are deleting ourselves is not named again (§1.4.1).
 */
function deletedChildren(sa: IkeSa, state: Established, deletes: readonly DeletePayload[]): readonly ChildSa[] {
  const own = ownOperation(sa, state);
  const spis = deletedSpis(deletes).filter((spi) => decide('deleteChild', own, targetOf(sa, state, spi)) === 'grant');
  return state.children.filter((child) => spis.includes(child.outboundSpi));
}

/** The answer to our CREATE_CHILD_SA may be overtaken by the Delete of what it grants. */
function rememberUnknown(state: Established, deletes: readonly DeletePayload[]): Established {
  if (state.asked?.kind !== 'createChild' && state.asked?.kind !== 'rekeyChild') return state;
  const unknown = deletedSpis(deletes).filter((spi) => !state.children.some((child) => child.outboundSpi === spi));
  const deleted = [...state.asked.deleted, ...unknown].slice(-MOST_REMEMBERED);
  return { ...state, asked: { ...state.asked, deleted } };
}

function deletedSpis(deletes: readonly DeletePayload[]): readonly number[] {
  return deletes
    .filter((each) => each.protocol === Protocol.ESP)
    .flatMap((each) => each.spis.map(spiFromProposal))
    .filter((spi) => spi !== undefined);
}

function deletePayload(spis: readonly Uint8Array[]): DeletePayload {
  return { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis };
}

/**
 * Errors behind which no IKE SA stands, with or without a Delete beside them: the peer did not accept our proof, or a
 * message of ours (RFC 7296 §2.21.2, §2.21.3).
 */
function fatalNotify(connection: Connection, message: Informational): NegotiationFailure | undefined {
  const { name, remoteAddress } = connection.config;
  if (hasNotify(message.notifies, NotifyType.AUTHENTICATION_FAILED)) {
    const text = `${name} (${remoteAddress}) does not accept our proof: compare the pre-shared keys of both sides`;
    return { reason: 'authenticationFailed', by: 'peer', text };
  }
  if (!hasNotify(message.notifies, NotifyType.INVALID_SYNTAX)) return undefined;
  const text = `${name} (${remoteAddress}) could not read a message of ours and gave up the IKE SA: see its log`;
  return { reason: 'refusedByPeer', by: 'peer', text };
}

function unknownNotifies(connection: Connection, notifies: readonly NotifyPayload[]): readonly Fact[] {
  return notifies
    .filter((each) => !isAuthenticationLifetime(connection, each) && each.notifyType !== NotifyType.PATH_PROBE)
    .map((each) => ({ kind: 'notifyIgnored', connection: connection.config.name, notifyType: each.notifyType }));
}

/** A peer deletes what it grants once; the rest is for those that delete what never was. */
const MOST_REMEMBERED = 16;
/** A lifetime of zero may be taken for none. */
const AUTH_LIFETIME_OVER = notifyOf({ kind: 'authLifetime', seconds: 1 });
const DELETE_IKE_SA: DeletePayload = { kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] };
