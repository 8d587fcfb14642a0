import { ok, type Result } from '../result.ts';
import {
  parseCreateChildRequest,
  parseCreateChildResponse,
  parseIkeAuthRequest,
  parseIkeAuthResponse,
  parseIkeSaInitResponse,
  parseInformational,
  parseRekeyIkeResponse,
} from '../wire/grammar.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import { ExchangeType, NotifyType, Protocol } from '../wire/registry.ts';
import { isAboutToEnd, isDelete } from './child/ending.ts';
import { settleAnswered, settleGranted } from './child/proof-of-use.ts';
import { hastenRetirement } from './child/retirement.ts';
import { commit } from './commit.ts';
import type { Connection } from './connection/connection.ts';
import type { Core } from './core.ts';
import { onCreateChildResponse } from './exchange/create-child-sa.ts';
import { onCreateChildRequest } from './exchange/create-child-sa-responder.ts';
import { onAuthRequest, onAuthResponse } from './exchange/ike-auth.ts';
import { onInitResponse } from './exchange/ike-sa-init.ts';
import { onInformationalRequest, onInformationalResponse } from './exchange/informational.ts';
import { onRekeyIkeRequest, onRekeyIkeResponse } from './exchange/rekey-ike-sa.ts';
import type { Fact } from './fact.ts';
import { notify } from './message/notify.ts';
import { isAuthentic, open, type Received } from './message/opening.ts';
import { forgetAsked } from './message/requests.ts';
import type { HandledRequest, Outcome, Refusal } from './outcome.ts';
import { noteProofOfLife } from './path/path.ts';
import { onProbeAnswered } from './path/path-mtu.ts';
import { refuseRequest, refuseResponse, syntaxError } from './refusing.ts';
import { decide } from './rekey/collision.ts';
import { acceptRival } from './rekey/succession.ts';
import { ownOperation } from './rekey/under-way.ts';
import type { AskedChild, AskedIkeSa, Deleting, Established, IkeSa, Rekeyed } from './state.ts';
import type { Instant } from './types.ts';

/**
 * One message for an IKE SA: authenticate, then message ID, then form, then the exchange, then commit. Whatever fails
 * before the ICV has been checked leaves the SA as it was.
 */
export function receive(core: Core, at: Instant, sa: IkeSa, received: Received): void {
  const { flags } = received.message.header;
  core.touch(sa);
  if (flags.initiator !== (sa.role === 'responder')) {
    core.drop(received.path, 'unexpectedExchange', 'the initiator flag is that of our own side');
    return;
  }
  if (flags.response) receiveResponse(core, at, sa, received);
  else receiveRequest(core, at, sa, received);
}

function receiveRequest(core: Core, at: Instant, sa: IkeSa, received: Received): void {
  const { message, bytes, path } = received;
  const { messageId, exchangeType } = message.header;
  const position = sa.window.position(messageId, bytes);
  switch (position.kind) {
    case 'repeated':
      replay(core, sa, received, position.datagrams);
      return;
    case 'differentRetransmission':
      receiveRetransmission(core, at, sa, received, position.datagrams);
      return;
    case 'outside':
      core.drop(path, 'unexpectedMessageId', `message ID ${messageId} is outside of the window`);
      return;
    case 'next':
      break;
  }
  if (sa.state.kind === 'verifying') {
    core.drop(path, 'busy', 'the peer is being verified');
    return;
  }
  if (!isExpectedRequest(sa, exchangeType)) {
    core.drop(path, 'unexpectedExchange', `exchange ${exchangeType} for a ${sa.state.kind} IKE SA`);
    return;
  }
  const opened = open(core, at, sa, received);
  if (opened === undefined) return;
  const { payloads, datagram, origin } = opened;
  noteProofOfLife(core, at, sa, origin);
  const granted = sa.state.kind === 'established' ? sa.state.children : [];
  const handled: HandledRequest = { exchangeType, messageId, datagram, path: origin };
  const result = payloads.ok ? handleRequest(core, at, sa, payloads.value, handled) : syntaxError(sa, payloads.error);
  if (result.ok) commit(core, at, sa, result.value, handled);
  else refuseRequest(core, at, sa, result.error, handled);
  if (sa.connection !== undefined) settleGranted(core, at, sa.connection, granted);
}

/**
 * A request under the message ID of the last one, in other bytes. The same request may come in other fragments than
 * before, or in fragments at last; as with the first time, one of them is answered for all (RFC 7383 §2.6.1).
 */
function receiveRetransmission(
  core: Core,
  at: Instant,
  sa: IkeSa,
  received: Received,
  datagrams: readonly Uint8Array[],
): void {
  const { message, path } = received;
  const frame = message.protected;
  const { messageId } = message.header;
  if (frame?.kind !== 'skf') {
    core.drop(path, 'differentRetransmission', `message ID ${messageId} was used for another request`);
  } else if (frame.fragmentNumber !== 1) {
    core.drop(path, 'repeatedFragment', `message ${messageId} has been answered`);
  } else if (isAuthentic(core, at, sa, received, frame)) {
    replay(core, sa, received, datagrams);
  }
}

/**
 * Answers a repeated request with the stored response. Somebody who has recorded the request can send it from any
 * address: one that the peer is not known to have gets no more bytes than came from it.
 */
function replay(core: Core, sa: IkeSa, { bytes, path }: Received, datagrams: readonly Uint8Array[]): void {
  const length = datagrams.reduce((sum, datagram) => sum + datagram.length, 0);
  if (path.remoteAddress !== sa.path.remoteAddress && length > bytes.length) {
    core.drop(path, 'unprovedAddress', `${length} bytes would answer a repeated request of ${bytes.length}`);
    return;
  }
  core.report({ kind: 'responseReplayed', connection: nameOfPeer(sa), path });
  core.transmit(path, datagrams);
}

/** Which requests a state listens to; anything else may be late, or an attack on the order of exchanges. */
function isExpectedRequest(sa: IkeSa, exchangeType: number): boolean {
  switch (sa.state.kind) {
    case 'initAnswered':
      return exchangeType === ExchangeType.IKE_AUTH;
    case 'established':
    case 'rekeyed':
      return ANSWERED.has(exchangeType);
    case 'deleting':
      // A peer that we did not believe would take any answer for a sign that we have what it has granted.
      return sa.state.established && ANSWERED.has(exchangeType);
    default:
      return false;
  }
}

function handleRequest(
  core: Core,
  at: Instant,
  sa: IkeSa,
  payloads: readonly Payload[],
  handled: HandledRequest,
): Result<Outcome, Refusal> {
  const { state, connection } = sa;
  if (state.kind === 'initAnswered' && state.keys !== undefined) {
    const request = parseIkeAuthRequest(payloads);
    if (!request.ok) return syntaxError(sa, request.error);
    const { datagram, messageId, path } = handled;
    const way = { path: sa.path, nat: sa.nat };
    const received = { request: request.value, datagram, messageId, path, way };
    // A peer may have been taken out of the configuration, or got another one, since its first message.
    const candidates = state.candidates.filter((each) => core.connections.get(each.config.name) === each);
    return onAuthRequest(core, at, candidates, { handshake: state.handshake, keys: state.keys }, received);
  }
  if (connection === undefined) throw new Error(`a ${state.kind} IKE SA handles no request`);
  const answer = ANSWERED.get(handled.exchangeType);
  if (answer === undefined) throw new Error(`exchange ${handled.exchangeType} is not expected`);
  return answer(core, at, sa, connection, payloads);
}

function handleInformational(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  payloads: readonly Payload[],
): Result<Outcome, Refusal> {
  const request = parseInformational(payloads);
  if (!request.ok) return syntaxError(sa, request.error);
  if (request.value.deletes.some(({ protocol }) => protocol !== Protocol.IKE)) acceptRival(core, at, connection, sa);
  return onInformationalRequest(core, at, sa, standing(sa), connection, request.value);
}

/** Something of ours that is under way may be in the way of whatever the peer wants (`collision.ts`). */
function handleCreateChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  payloads: readonly Payload[],
): Result<Outcome, Refusal> {
  const parsed = parseCreateChildRequest(payloads);
  if (!parsed.ok) return syntaxError(sa, parsed.error);
  acceptRival(core, at, connection, sa);
  const request = parsed.value;
  const state = standing(sa);
  const wanted = request.kind === 'rekeyIke' ? 'rekeyIkeSa' : request.kind;
  const own = ownOperation(sa, state);
  const decision = decide(wanted, own, 'other');
  if (state.kind !== 'established' || decision === 'temporaryFailure') {
    const { name } = connection.config;
    const fact: Fact = { kind: 'collision', connection: name, child: '', request: wanted, own, decision };
    return ok({ next: state, reply: [notify(NotifyType.TEMPORARY_FAILURE)], facts: [fact] });
  }
  if (request.kind === 'rekeyIke') return onRekeyIkeRequest(core, sa, state, connection, request);
  return onCreateChildRequest(core, sa, state, connection, request);
}

function standing({ state }: IkeSa): Established | Rekeyed | Deleting {
  if (state.kind === 'established' || state.kind === 'rekeyed' || state.kind === 'deleting') return state;
  throw new Error(`a ${state.kind} IKE SA handles no request`);
}

function receiveResponse(core: Core, at: Instant, sa: IkeSa, received: Received): void {
  const { message, path } = received;
  const { messageId, exchangeType } = message.header;
  if (!sa.window.answers(messageId, exchangeType)) {
    const text = `exchange ${exchangeType} with message ID ${messageId} answers no open request`;
    core.drop(path, 'unexpectedResponse', text);
    return;
  }
  if (sa.state.kind === 'initRequested') {
    receiveInitResponse(core, at, sa, received);
    return;
  }
  const opened = open(core, at, sa, received);
  if (opened === undefined) return;
  const { payloads, origin } = opened;
  noteProofOfLife(core, at, sa, origin);
  noteAnswered(core, at, sa, messageId);
  const result = payloads.ok ? handleResponse(core, at, sa, payloads.value) : syntaxError(sa, payloads.error);
  if (result.ok) {
    const { pending } = sa.window;
    sa.window.close();
    commit(core, at, sa, result.value, undefined);
    if (pending?.probe !== undefined) onProbeAnswered(core, at, sa, pending);
  } else refuseResponse(core, at, sa, result.error, path);
}

/** What an answer tells beside what it says: that the peer has heard of all that came before. */
function noteAnswered(core: Core, at: Instant, sa: IkeSa, messageId: number): void {
  const { connection, state, queue } = sa;
  if (connection === undefined || state.kind !== 'established') return;
  settleAnswered(core, at, sa, connection, messageId);
  if (!queue.some(isDelete)) hastenRetirement(core, at, connection, sa.number);
}

function receiveInitResponse(core: Core, at: Instant, sa: IkeSa, { message, bytes, path }: Received): void {
  const { state, connection } = sa;
  if (state.kind !== 'initRequested' || connection === undefined) return;
  const response = message.protected === undefined ? parseIkeSaInitResponse(message.payloads) : undefined;
  if (response === undefined || !response.ok) {
    core.drop(path, 'malformed', 'an IKE_SA_INIT response that makes no sense');
    return;
  }
  const { responderSpi } = message.header;
  const result = onInitResponse(core, sa, state, connection, { responderSpi, response: response.value, bytes, path });
  if (!result.ok) {
    refuseResponse(core, at, sa, result.error, path);
    return;
  }
  const { next } = result.value;
  const { limits, random } = core.context;
  if (next.kind !== 'initRequested') {
    sa.remoteSpi = responderSpi;
    sa.window.close();
    commit(core, at, sa, result.value, undefined);
    return;
  }
  sa.state = next;
  if (next.request === state.request) {
    sa.window.hasten(at + limits.unprotectedErrorPatienceMs);
    return;
  }
  sa.window.replace(at, [next.request], limits, random.jitter);
  core.transmit(sa.path, [next.request]);
}

function handleResponse(core: Core, at: Instant, sa: IkeSa, payloads: readonly Payload[]): Result<Outcome, Refusal> {
  const { state, connection } = sa;
  if (state.kind === 'authRequested' && connection !== undefined) {
    const response = parseIkeAuthResponse(payloads);
    if (!response.ok) return syntaxError(sa, response.error);
    return onAuthResponse(core, at, state, connection, response.value);
  }
  if (state.kind === 'established' && connection !== undefined && state.asked !== undefined) {
    const { asked } = state;
    if (asked.kind !== 'deleteChild') return handleCreated(core, at, sa, state, connection, asked, payloads);
  }
  const response = parseInformational(payloads);
  if (!response.ok) return syntaxError(sa, response.error);
  if (state.kind === 'deleting') return { ok: true, value: { next: state, close: state.reason } };
  return { ok: true, value: onInformationalResponse(sa, connection, response.value) };
}

function handleCreated(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  asked: AskedChild | AskedIkeSa,
  payloads: readonly Payload[],
): Result<Outcome, Refusal> {
  if (asked.kind === 'rekeyIkeSa') {
    const response = parseRekeyIkeResponse(payloads);
    if (!response.ok) return syntaxError(sa, response.error);
    return onRekeyIkeResponse(core, at, state, connection, asked, response.value);
  }
  const response = parseCreateChildResponse(payloads);
  if (!response.ok) return syntaxError(sa, response.error);
  if (isAboutToEnd(sa)) {
    forgetAsked(core, state);
    return ok({ next: { ...state, asked: undefined } });
  }
  return onCreateChildResponse(core, at, state, connection, asked, response.value);
}

function nameOfPeer(sa: IkeSa): string {
  return sa.connection?.config.name ?? '';
}

/** Who answers the requests of each exchange on an IKE SA that stands, or is about to end. */
const ANSWERED: ReadonlyMap<number, typeof handleCreateChild> = new Map([
  [ExchangeType.CREATE_CHILD_SA, handleCreateChild],
  [ExchangeType.INFORMATIONAL, handleInformational],
]);
