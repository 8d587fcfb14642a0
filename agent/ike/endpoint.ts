import { assertNever } from '../result.ts';
import { parseIkeSaInitRequest } from '../wire/grammar.ts';
import { decodeHeader, type Header, type HeaderFields, MAJOR_VERSION, ZERO_SPI } from '../wire/header.ts';
import { decodeMessageBody, encodeMessage, type Message } from '../wire/message.ts';
import type { NotifyPayload } from '../wire/payloads/notify.ts';
import { ExchangeType, NotifyType } from '../wire/registry.ts';
import { onCommand } from './commands.ts';
import { commit } from './commit.ts';
import type { Connection } from './connection.ts';
import { Core } from './core.ts';
import { ikeSaDeadline, onConnectionDeadline, onIkeSaDeadline } from './deadlines.ts';
import { answerAuthRequest, authenticationFailed, finishAuth } from './exchange/ike-auth.ts';
import { answerInit } from './exchange/ike-sa-init-responder.ts';
import { NO_REASSEMBLIES } from './fragment.ts';
import { receive } from './ike-sa.ts';
import { onDataplaneFailed, onKernelEvent } from './kernel-events.ts';
import { notify } from './notify.ts';
import { retryRefused } from './refused-commands.ts';
import { refuse } from './refusing.ts';
import type { IkeSa } from './state.ts';
import { statusOf } from './status.ts';
import type { Endpoint, EndpointContext, EndpointStatus, IkeAction, IkeEvent, Instant, Path } from './types.ts';
import { Window } from './window.ts';

/** Makes an IKE endpoint without connections; `addConnection` commands give it some. */
export function createEndpoint(context: EndpointContext): Endpoint {
  return new IkeEndpoint(context);
}

class IkeEndpoint implements Endpoint {
  readonly #core: Core;

  constructor(context: EndpointContext) {
    this.#core = new Core(context);
  }

  handle(at: Instant, event: IkeEvent): readonly IkeAction[] {
    const core = this.#core;
    if (event.kind !== 'dataplaneFailed') core.fallback = undefined;
    switch (event.kind) {
      case 'datagram':
        onDatagram(core, at, event.path, event.bytes);
        break;
      case 'deadline':
        onDeadline(core, at);
        break;
      case 'command':
        onCommand(core, at, event.command);
        break;
      case 'kernel':
        onKernelEvent(core, at, event.event);
        break;
      case 'dataplaneFailed':
        onDataplaneFailed(core, at, event);
        break;
      case 'verified':
        onVerified(core, at, event.job, event.outcome.ok ? undefined : event.outcome.error.reason);
        break;
      default:
        assertNever(event);
    }
    rearm(core);
    return core.takeActions();
  }

  nextDeadline(): Instant | undefined {
    const { ikeSaTimers, connectionTimers, refused } = this.#core;
    return earliest(earliest(ikeSaTimers.next(), connectionTimers.next()), refused.retryAt);
  }

  status(): EndpointStatus {
    return statusOf(this.#core);
  }
}

/** One owner at a time: an action list that fails concerns one of them only, and the next call brings the next. */
function onDeadline(core: Core, at: Instant): void {
  if (core.refused.retryAt !== undefined && core.refused.retryAt <= at) {
    retryRefused(core, at);
    return;
  }
  const sa = core.ikeSaTimers.take(at);
  if (sa !== undefined) {
    onIkeSaDeadline(core, at, sa);
    core.touch(sa);
    return;
  }
  const connection = core.connectionTimers.take(at);
  if (connection === undefined) return;
  onConnectionDeadline(core, at, connection);
  core.schedule(connection);
}

function earliest(left: Instant | undefined, right: Instant | undefined): Instant | undefined {
  return left === undefined || right === undefined ? (left ?? right) : Math.min(left, right);
}

/** Sets the timers of the IKE SAs that this event may have changed; one that has been forgotten needs none. */
function rearm(core: Core): void {
  for (const sa of core.takeTouched()) {
    if (core.ikeSas.get(sa.localSpi) === sa) core.ikeSaTimers.set(sa, ikeSaDeadline(sa, core.context.limits));
  }
}

function onDatagram(core: Core, at: Instant, path: Path, bytes: Uint8Array): void {
  const header = decodeHeader(bytes);
  if (!header.ok) {
    core.drop(path, 'malformed', `${header.error.field}: ${header.error.reason}`);
    return;
  }
  if (header.value.majorVersion !== MAJOR_VERSION) {
    onOtherVersion(core, at, path, header.value);
    return;
  }
  const message = decodeMessageBody(header.value, bytes);
  if (!message.ok) {
    core.drop(path, 'malformed', `byte ${message.error.offset}, ${message.error.field}: ${message.error.reason}`);
    return;
  }
  const { initiatorSpi, responderSpi, exchangeType, flags } = header.value;
  if (initiatorSpi === ZERO_SPI) {
    core.drop(path, 'malformed', 'the initiator SPI is zero');
    return;
  }
  if (exchangeType === ExchangeType.IKE_SA_INIT && !flags.response && responderSpi === ZERO_SPI) {
    onInitRequest(core, at, path, message.value, bytes);
    return;
  }
  const sa = core.ikeSas.get(flags.initiator ? responderSpi : initiatorSpi);
  if (sa === undefined) {
    onUnknownSpi(core, at, path, header.value);
    return;
  }
  const remoteSpi = flags.initiator ? initiatorSpi : responderSpi;
  if (sa.remoteSpi !== ZERO_SPI && sa.remoteSpi !== remoteSpi) {
    core.drop(path, 'unknownSpi', 'the SPI of the sender is not that of the IKE SA');
    return;
  }
  receive(core, at, sa, { message: message.value, bytes, path });
}

/** A higher version is told ours (RFC 7296 §2.5); IKEv1 is not spoken here. */
function onOtherVersion(core: Core, at: Instant, path: Path, header: Header): void {
  core.drop(path, 'majorVersion', `version ${header.majorVersion}`);
  if (header.majorVersion < MAJOR_VERSION || header.flags.response) return;
  answerStranger(core, at, path, header, notify(NotifyType.INVALID_MAJOR_VERSION));
}

/** We may have restarted: the peer is told, without proof, that we know no such IKE SA (RFC 7296 §1.5, §2.21.4). */
function onUnknownSpi(core: Core, at: Instant, path: Path, header: Header): void {
  core.drop(path, 'unknownSpi', `no IKE SA with SPIs ${header.initiatorSpi} and ${header.responderSpi}`);
  if (header.flags.response || header.exchangeType === ExchangeType.IKE_SA_INIT) return;
  answerStranger(core, at, path, header, notify(NotifyType.INVALID_IKE_SPI));
}

function onInitRequest(core: Core, at: Instant, path: Path, message: Message, bytes: Uint8Array): void {
  const { header } = message;
  const remoteSpi = header.initiatorSpi;
  const known = core.halfOpenOf(path, remoteSpi);
  if (known !== undefined) {
    receive(core, at, known, { message, bytes, path });
    return;
  }
  if (core.ikeSas.has(remoteSpi)) {
    core.drop(path, 'reflected', 'an IKE_SA_INIT request of ours came back');
    return;
  }
  const candidates = core.candidates(path);
  if (candidates.length === 0) {
    core.drop(path, 'unknownPeer', `no peer is configured for ${path.localAddress} and ${path.remoteAddress}`);
    return;
  }
  const request = parseIkeSaInitRequest(message.payloads);
  if (header.messageId !== 0 || message.protected !== undefined || !request.ok) {
    const critical = !request.ok && request.error.kind === 'unsupportedCriticalPayload' ? request.error : undefined;
    core.drop(path, 'malformed', 'an IKE_SA_INIT request that makes no sense');
    if (critical === undefined) return;
    const data = new Uint8Array([critical.payloadType]);
    answerStranger(core, at, path, header, notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data));
    return;
  }
  if (core.halfOpen.size >= core.context.limits.halfOpenTotal) {
    core.drop(path, 'halfOpenLimit', `${core.halfOpen.size} IKE SAs wait for authentication already`);
    return;
  }
  const localSpi = core.drawIkeSpi();
  const answer = answerInit(core, at, candidates, localSpi, {
    initiatorSpi: remoteSpi,
    request: request.value,
    bytes,
    path,
  });
  if (answer.kind === 'error') {
    reportRefusal(core, at, candidates, path, answer.notify, answer.text);
    answerStranger(core, at, path, header, answer.notify);
    return;
  }
  const sa: IkeSa = {
    number: core.nextNumber(),
    role: 'responder',
    startedAt: at,
    localSpi,
    remoteSpi,
    connection: undefined,
    path,
    nat: answer.nat,
    movedAt: Number.NEGATIVE_INFINITY,
    keepaliveAt: at,
    state: answer.state,
    window: new Window(),
    queue: [],
    fragmentation: answer.fragmentation ? 'configured' : 'none',
    reassemblies: NO_REASSEMBLIES,
    halfOpenKey: undefined,
    lastHeardAt: at,
    replaces: 0,
    nextIv: 0,
    timerAt: undefined,
  };
  core.ikeSas.set(localSpi, sa);
  core.enterHalfOpen(sa);
  sa.window.store(0, answer.state.handshake.request, [answer.response]);
  core.transmit(path, [answer.response]);
  core.touch(sa);
}

/** A mere guess at another group is part of every negotiation; no common algorithms is something to mend. */
function reportRefusal(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  path: Path,
  refusal: NotifyPayload,
  text: string,
): void {
  if (refusal.notifyType === NotifyType.INVALID_SYNTAX) core.drop(path, 'malformed', text);
  if (refusal.notifyType !== NotifyType.NO_PROPOSAL_CHOSEN) return;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  if (only !== undefined) only.lastFailure = { at, text };
  const connection = only?.config.name ?? '';
  core.report({ kind: 'negotiationFailed', connection, path, reason: 'noProposalChosen', by: 'us', text });
}

function onVerified(core: Core, at: Instant, job: number, refusal: string | undefined): void {
  const sa = core.jobs.get(job);
  core.jobs.delete(job);
  if (sa === undefined || sa.state.kind !== 'verifying' || sa.connection === undefined) return;
  const { handshake, keys, inner } = sa.state;
  const negotiated = { handshake, keys };
  const { connection } = sa;
  core.touch(sa);
  const request = inner.kind === 'request' ? { ...inner, exchangeType: ExchangeType.IKE_AUTH } : undefined;
  if (refusal !== undefined) {
    const text = `${connection.config.name} was not believed: ${refusal}`;
    refuse(core, at, sa, authenticationFailed(connection, 'us', text), request, sa.path);
    return;
  }
  const result =
    inner.kind === 'request'
      ? answerAuthRequest(core, at, connection, negotiated, inner)
      : finishAuth(core, at, connection, negotiated, inner);
  if (result.ok) commit(core, at, sa, result.value, request);
  else refuse(core, at, sa, result.error, request, sa.path);
}

/** An unprotected error to whoever sent a request; few a second, and never larger than the request was. */
function answerStranger(core: Core, at: Instant, path: Path, header: Header, payload: NotifyPayload): void {
  const fields: HeaderFields = {
    initiatorSpi: header.initiatorSpi,
    responderSpi: header.responderSpi,
    exchangeType: header.exchangeType,
    flags: { initiator: !header.flags.initiator, response: true },
    messageId: header.messageId,
  };
  const answer = encodeMessage(fields, [payload]);
  if (answer.length <= header.length && core.mayAnswerStranger(at)) core.transmit(path, [answer]);
}
