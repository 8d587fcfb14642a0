import { err, type Result } from '../result.ts';
import {
  type GrammarError,
  parseCreateChildRequest,
  parseCreateChildResponse,
  parseIkeAuthRequest,
  parseIkeAuthResponse,
  parseIkeSaInitResponse,
  parseInformational,
} from '../wire/grammar.ts';
import type { Malformed } from '../wire/malformed.ts';
import { decodePayloads, type Message } from '../wire/message.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../wire/registry.ts';
import { openProtected } from '../wire/sk.ts';
import { settleAnswered, settleGranted } from './children.ts';
import { closeIkeSa, noteFailure } from './closing.ts';
import { commit, securedBy } from './commit.ts';
import type { Core } from './core.ts';
import { onCreateChildRequest, onCreateChildResponse } from './exchange/create-child-sa.ts';
import { onAuthRequest, onAuthResponse } from './exchange/ike-auth.ts';
import { onInitResponse } from './exchange/ike-sa-init.ts';
import { responderKeys } from './exchange/ike-sa-init-responder.ts';
import { onInformationalRequest, onInformationalResponse } from './exchange/informational.ts';
import type { DropReason } from './fact.ts';
import { notify } from './notify.ts';
import type { HandledRequest, Outcome, Refusal } from './outcome.ts';
import { protectedMessage } from './protected-message.ts';
import { type EndingRequest, endWith, enqueue, type Secured } from './requests.ts';
import { hastenRetirement } from './retirement.ts';
import type { IkeSa } from './state.ts';
import type { Instant, Path } from './types.ts';
import { requestTag } from './window.ts';

/**
 * One message for an IKE SA: authenticate, then message ID, then form, then the exchange, then commit. Whatever fails
 * before the ICV has been checked leaves the SA as it was.
 */
export function receive(core: Core, at: Instant, sa: IkeSa, message: Message, bytes: Uint8Array, path: Path): void {
  const { flags } = message.header;
  core.touch(sa);
  if (flags.initiator !== (sa.role === 'responder')) {
    drop(core, path, 'unexpectedExchange', 'the initiator flag is that of our own side');
    return;
  }
  if (flags.response) receiveResponse(core, at, sa, message, bytes, path);
  else receiveRequest(core, at, sa, message, bytes, path);
}

function receiveRequest(core: Core, at: Instant, sa: IkeSa, message: Message, bytes: Uint8Array, path: Path): void {
  const { messageId, exchangeType } = message.header;
  const position = sa.window.position(messageId, bytes);
  switch (position.kind) {
    case 'repeated':
      core.report({ kind: 'responseReplayed', connection: nameOfPeer(sa), path });
      core.transmit(path, position.datagrams);
      return;
    case 'differentRetransmission':
      drop(core, path, 'differentRetransmission', `message ID ${messageId} was used for another request`);
      return;
    case 'outside':
      drop(core, path, 'unexpectedMessageId', `message ID ${messageId} is outside of the window`);
      return;
    case 'next':
      break;
  }
  if (sa.state.kind === 'verifying') {
    drop(core, path, 'busy', 'the peer is being verified');
    return;
  }
  if (!isExpectedRequest(sa, exchangeType)) {
    drop(core, path, 'unexpectedExchange', `exchange ${exchangeType} for a ${sa.state.kind} IKE SA`);
    return;
  }
  const payloads = open(core, at, sa, message, bytes, path);
  if (payloads === undefined) return;
  noteProofOfLife(sa, at, path);
  const granted = sa.state.kind === 'established' ? sa.state.children : [];
  const handled: HandledRequest = { exchangeType, messageId, datagram: bytes, path };
  const result = payloads.ok ? handleRequest(core, at, sa, payloads.value, handled) : syntaxError(sa, payloads.error);
  if (result.ok) commit(core, at, sa, result.value, handled);
  else refuseRequest(core, at, sa, result.error, handled);
  if (sa.connection !== undefined) settleGranted(core, at, sa, sa.connection, granted);
}

/** Which requests a state listens to; anything else may be late, or an attack on the order of exchanges. */
function isExpectedRequest(sa: IkeSa, exchangeType: number): boolean {
  switch (sa.state.kind) {
    case 'initAnswered':
      return exchangeType === ExchangeType.IKE_AUTH;
    case 'established':
    case 'deleting':
      return exchangeType === ExchangeType.INFORMATIONAL || exchangeType === ExchangeType.CREATE_CHILD_SA;
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
    const received = { request: request.value, datagram: datagram.slice(), messageId, path };
    // A peer may have been taken out of the configuration, or got another one, since its first message.
    const candidates = state.candidates.filter((each) => core.connections.get(each.config.name) === each);
    return onAuthRequest(core, at, candidates, { handshake: state.handshake, keys: state.keys }, received);
  }
  if ((state.kind !== 'established' && state.kind !== 'deleting') || connection === undefined) {
    throw new Error(`a ${state.kind} IKE SA handles no request`);
  }
  if (handled.exchangeType === ExchangeType.CREATE_CHILD_SA) {
    const request = parseCreateChildRequest(payloads);
    if (!request.ok) return syntaxError(sa, request.error);
    if (state.kind === 'deleting') {
      return err({ kind: 'answer', notify: notify(NotifyType.TEMPORARY_FAILURE), text: 'the IKE SA is being deleted' });
    }
    return onCreateChildRequest(core, sa, state, connection, request.value, handled.path);
  }
  const request = parseInformational(payloads);
  return request.ok ? onInformationalRequest(state, connection, request.value) : syntaxError(sa, request.error);
}

function receiveResponse(core: Core, at: Instant, sa: IkeSa, message: Message, bytes: Uint8Array, path: Path): void {
  const { messageId, exchangeType } = message.header;
  if (!sa.window.answers(messageId, exchangeType)) {
    const text = `exchange ${exchangeType} with message ID ${messageId} answers no open request`;
    drop(core, path, 'unexpectedResponse', text);
    return;
  }
  if (sa.state.kind === 'initRequested') {
    receiveInitResponse(core, at, sa, message, bytes, path);
    return;
  }
  const payloads = open(core, at, sa, message, bytes, path);
  if (payloads === undefined) return;
  noteProofOfLife(sa, at, path);
  const result = payloads.ok ? handleResponse(core, at, sa, payloads.value) : syntaxError(sa, payloads.error);
  if (result.ok) {
    sa.window.close();
    noteAnswered(core, at, sa, messageId);
    commit(core, at, sa, result.value, undefined);
  } else refuseResponse(core, at, sa, result.error, path);
}

/** What an answer tells beside what it says: that the peer has heard of all that came before. */
function noteAnswered(core: Core, at: Instant, sa: IkeSa, messageId: number): void {
  const { connection, state, queue } = sa;
  if (connection === undefined || state.kind !== 'established') return;
  settleAnswered(core, at, sa, connection, messageId);
  if (!queue.some(({ kind }) => kind === 'deleteChild')) hastenRetirement(core, at, connection, sa.number);
}

function receiveInitResponse(
  core: Core,
  at: Instant,
  sa: IkeSa,
  message: Message,
  bytes: Uint8Array,
  path: Path,
): void {
  const { state, connection } = sa;
  if (state.kind !== 'initRequested' || connection === undefined) return;
  const response = message.protected === undefined ? parseIkeSaInitResponse(message.payloads) : undefined;
  if (response === undefined || !response.ok) {
    drop(core, path, 'malformed', 'an IKE_SA_INIT response that makes no sense');
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
  if (state.kind === 'established' && state.asked !== undefined && connection !== undefined) {
    const response = parseCreateChildResponse(payloads);
    if (!response.ok) return syntaxError(sa, response.error);
    return onCreateChildResponse(core, state, connection, state.asked, response.value);
  }
  const response = parseInformational(payloads);
  if (!response.ok) return syntaxError(sa, response.error);
  if (state.kind === 'deleting') return { ok: true, value: { next: state, close: state.reason } };
  return { ok: true, value: onInformationalResponse(state, connection, response.value) };
}

/** Checks the ICV and takes the payloads apart; undefined where nothing may be believed, which has been reported. */
function open(
  core: Core,
  at: Instant,
  sa: IkeSa,
  message: Message,
  bytes: Uint8Array,
  path: Path,
): Result<readonly Payload[], Malformed> | undefined {
  if (message.protected?.kind !== 'sk') {
    drop(core, path, 'unauthenticatedNotify', 'a message without protection for an IKE SA that has keys');
    suspectPeer(core, at, sa);
    return undefined;
  }
  const secured = securedBy(sa.state) ?? deriveKeys(core, at, sa, path);
  if (secured === undefined) return undefined;
  const direction = secured.keys.direction(sa.role === 'initiator' ? 'responder' : 'initiator');
  const chain = openProtected(bytes, message.protected, secured.cryptography.protection, direction);
  if (chain.ok) return decodePayloads(chain.value.first, chain.value.bytes);
  if (chain.error.kind === 'malformed') return { ok: false, error: chain.error };
  drop(core, path, 'integrity', 'the integrity check failed');
  noteIntegrityFailure(core, at, sa);
  return undefined;
}

/** A responder computes its keys when the first message that is protected by them arrives. */
function deriveKeys(core: Core, at: Instant, sa: IkeSa, path: Path): Secured | undefined {
  const { state } = sa;
  if (state.kind !== 'initAnswered') return undefined;
  const keys = responderKeys(sa, state);
  if (keys === undefined) {
    drop(core, path, 'malformed', 'the public value of the peer is invalid');
    closeIkeSa(core, at, sa, 'negotiationFailed');
    return undefined;
  }
  sa.state = { ...state, keys };
  return { keys, cryptography: state.handshake.cryptography };
}

/** A message without proof may say that the peer has forgotten us: it is asked, if it has been silent for a while. */
function suspectPeer(core: Core, at: Instant, sa: IkeSa): void {
  const silent = at - sa.lastHeardAt >= core.context.limits.retransmitFirstMs;
  if (silent && sa.queue.length === 0 && sa.window.pending === undefined) enqueue(core, at, sa, { kind: 'liveness' });
}

/** An IKE SA that nobody has authenticated to is not worth endless decryption. */
function noteIntegrityFailure(core: Core, at: Instant, sa: IkeSa): void {
  if (sa.state.kind !== 'initAnswered') return;
  const integrityFailures = sa.state.integrityFailures + 1;
  sa.state = { ...sa.state, integrityFailures };
  if (integrityFailures >= core.context.limits.integrityFailuresHalfOpen) closeIkeSa(core, at, sa, 'negotiationFailed');
}

/** Only what is authenticated proves life and moves the path, and the path only of a peer behind a NAT (RFC 7296 §2.23). */
function noteProofOfLife(sa: IkeSa, at: Instant, path: Path): void {
  sa.lastHeardAt = at;
  const moved = sa.path.remotePort !== path.remotePort || sa.path.remoteAddress !== path.remoteAddress;
  const floated = sa.state.kind === 'initAnswered' && sa.path.localPort !== path.localPort;
  if (floated || (moved && sa.nat.remote)) sa.path = path;
}

/** What is said to an authenticated peer whose message has no proper form (RFC 7296 §2.5, §2.21.3). */
function syntaxError(sa: IkeSa, error: GrammarError): Result<never, Refusal> {
  const peer = sa.connection?.config.name ?? sa.path.remoteAddress;
  if (error.kind === 'unsupportedCriticalPayload') {
    const data = new Uint8Array([error.payloadType]);
    const text = `${peer} sent what we cannot read: critical payload of type ${error.payloadType} is not supported`;
    return err({ kind: 'answer', notify: notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data), text });
  }
  const { field, offset, reason } = error;
  const text = `${peer} sent what we cannot read: ${field} ${reason} (byte ${offset}); one of the two programs has a fault`;
  const failure = { reason: 'peerViolation', by: 'us', text } as const;
  return err({ kind: 'fatal', notify: notify(NotifyType.INVALID_SYNTAX), close: 'protocolViolation', failure });
}

/** Acts on a refusal: of the request `handled`, or of a response where there is none. */
export function refuse(
  core: Core,
  at: Instant,
  sa: IkeSa,
  refusal: Refusal,
  handled: HandledRequest | undefined,
  path: Path,
): void {
  if (handled === undefined) refuseResponse(core, at, sa, refusal, path);
  else refuseRequest(core, at, sa, refusal, handled);
}

function refuseRequest(core: Core, at: Instant, sa: IkeSa, refusal: Refusal, handled: HandledRequest): void {
  if (refusal.kind === 'drop') {
    drop(core, handled.path, refusal.reason, refusal.text);
    return;
  }
  const secured = securedBy(sa.state);
  if (refusal.notify !== undefined && secured !== undefined) {
    const { exchangeType, messageId, datagram, path } = handled;
    const { keys, cryptography } = secured;
    const payloads = [refusal.notify];
    const response = protectedMessage(core, sa, keys, cryptography, exchangeType, messageId, true, payloads);
    sa.window.store(messageId, requestTag(datagram), response);
    core.transmit(path, response);
  }
  if (refusal.kind === 'answer') {
    if (sa.state.kind !== 'initAnswered') return;
    // Without IKE_AUTH there is nothing that could go on.
    noteFailure(core, at, sa, sa.connection, { reason: 'peerViolation', by: 'us', text: refusal.text });
    closeIkeSa(core, at, sa, 'negotiationFailed');
    return;
  }
  noteFailure(core, at, sa, refusal.connection ?? sa.connection, refusal.failure);
  closeIkeSa(core, at, sa, refusal.close);
}

/** A response cannot be answered: what has to be said goes into a request of our own (RFC 7296 §2.21.2). */
function refuseResponse(core: Core, at: Instant, sa: IkeSa, refusal: Refusal, path: Path): void {
  if (refusal.kind === 'drop') {
    drop(core, path, refusal.reason, refusal.text);
    return;
  }
  const failure =
    refusal.kind === 'fatal' ? refusal.failure : ({ reason: 'peerViolation', by: 'us', text: refusal.text } as const);
  noteFailure(core, at, sa, sa.connection, failure);
  const secured = securedBy(sa.state);
  // A Delete is not repeated in other words to a peer that answers it with nonsense.
  if (refusal.notify === undefined || secured === undefined || sa.state.kind === 'deleting') {
    closeIkeSa(core, at, sa, refusal.kind === 'fatal' ? refusal.close : 'protocolViolation');
    return;
  }
  sa.window.close();
  const authentication = refusal.kind === 'fatal' && refusal.failure.reason === 'authenticationFailed';
  endWith(core, at, sa, secured, authentication ? AUTHENTICATION_FAILED : PROTOCOL_VIOLATION);
}

function nameOfPeer(sa: IkeSa): string {
  return sa.connection?.config.name ?? '';
}

function drop(core: Core, path: Path, reason: DropReason, text: string): void {
  core.report({ kind: 'datagramDropped', reason, path, text });
}

const AUTHENTICATION_FAILED: EndingRequest = { kind: 'authenticationFailed' };
const PROTOCOL_VIOLATION: EndingRequest = { kind: 'deleteIkeSa', reason: 'protocolViolation' };
