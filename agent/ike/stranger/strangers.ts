import { type GrammarError, parseIkeSaInitRequest } from '../../wire/grammar.ts';
import { type Header, type HeaderFields, MAJOR_VERSION } from '../../wire/header.ts';
import { type InitScan, scanInitRequest } from '../../wire/init-scan.ts';
import { decodeMessageBody, encodeMessage, type Message } from '../../wire/message.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { answerInit, type InitAnswer } from '../exchange/ike-sa-init-responder.ts';
import { receive } from '../ike-sa.ts';
import { NO_REASSEMBLIES } from '../message/fragment.ts';
import { notify } from '../message/notify.ts';
import { Window } from '../message/window.ts';
import type { IkeSa } from '../state.ts';
import type { Instant, Path } from '../types.ts';
import { sourceOf } from './half-open.ts';

/** A datagram of which no more than the header has been read. */
export interface StrangersDatagram {
  readonly header: Header;
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/** A higher version is told ours (RFC 7296 §2.5); IKEv1 is not spoken here. */
export function onOtherVersion(core: Core, at: Instant, { header, path }: StrangersDatagram): void {
  core.drop(path, 'majorVersion', `version ${header.majorVersion}`);
  if (header.majorVersion < MAJOR_VERSION || header.flags.response) return;
  answerStranger(core, at, path, header, notify(NotifyType.INVALID_MAJOR_VERSION));
}

/** We may have restarted: the peer is told, without proof, that we know no such IKE SA (RFC 7296 §1.5, §2.21.4). */
export function onUnknownSpi(core: Core, at: Instant, { header, path }: StrangersDatagram): void {
  core.drop(path, 'unknownSpi', `no IKE SA with SPIs ${header.initiatorSpi} and ${header.responderSpi}`);
  if (header.flags.response || header.exchangeType === ExchangeType.IKE_SA_INIT) return;
  answerStranger(core, at, path, header, notify(NotifyType.INVALID_IKE_SPI));
}

/**
 * An IKE_SA_INIT request. Whatever can be dropped is dropped before it is taken apart, and nothing is computed with a
 * public key for anybody whom a COOKIE is demanded of (RFC 7296 §2.6).
 */
export function onInitRequest(core: Core, at: Instant, datagram: StrangersDatagram): void {
  const { header, bytes, path } = datagram;
  const known = core.halfOpen.find(path, header.initiatorSpi);
  if (known !== undefined) {
    const message = decoded(core, datagram);
    if (message !== undefined) receive(core, at, known, { message, bytes, path });
    return;
  }
  if (core.ikeSas.has(header.initiatorSpi)) {
    core.drop(path, 'reflected', 'an IKE_SA_INIT request of ours came back');
    return;
  }
  const candidates = core.connections.candidates(path);
  if (candidates.length === 0) {
    core.drop(path, 'unknownPeer', `no peer is configured for ${path.localAddress} and ${path.remoteAddress}`);
    return;
  }
  if (bytes.length > core.context.limits.initRequestBytes) {
    core.drop(path, 'malformed', `an IKE_SA_INIT request of ${bytes.length} bytes`);
    return;
  }
  const scan = header.messageId === 0 ? scanInitRequest(header.nextPayload, bytes) : undefined;
  if (scan === undefined) {
    core.drop(path, 'malformed', NONSENSE);
    return;
  }
  const source = sourceOf(path.remoteAddress, core.connections.hasAddress(path.remoteAddress));
  const proved = hasProvedAddress(core, at, datagram, scan);
  const demanded = demandsCookies(core, at, source) || core.cookies.hasAsked(at, header.initiatorSpi);
  if (demanded && !proved) demandCookie(core, at, datagram, scan);
  else if (core.halfOpen.isFull(source)) {
    core.drop(path, 'halfOpenLimit', `${core.halfOpen.size} IKE SAs wait for authentication already`);
  } else takeOn(core, at, candidates, source, datagram, proved ? undefined : scan);
}

/** Answers, and keeps the IKE SA that comes of it. `scan` is given of whoever has not proved its address. */
function takeOn(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  source: Path['remoteAddress'],
  datagram: StrangersDatagram,
  scan: InitScan | undefined,
): void {
  const { header, bytes, path } = datagram;
  const message = decoded(core, datagram);
  if (message === undefined) return;
  const request = parseIkeSaInitRequest(message.payloads);
  if (message.protected !== undefined || !request.ok) {
    core.drop(path, 'malformed', NONSENSE);
    if (!request.ok) answerNonsense(core, at, path, header, request.error);
    return;
  }
  const localSpi = core.drawIkeSpi();
  const received = { initiatorSpi: header.initiatorSpi, request: request.value, bytes, path };
  const answer = answerInit(core, at, candidates, localSpi, received, scan === undefined ? undefined : bytes.length);
  switch (answer.kind) {
    case 'accepted':
      keep(core, at, answer, { localSpi, source, datagram });
      return;
    case 'tooLong':
      if (scan !== undefined) demandCookie(core, at, datagram, scan);
      return;
    case 'error':
      reportRefusal(core, at, candidates, path, answer.notify, answer.text);
      if (scan === undefined) core.transmit(path, [errorMessage(header, answer.notify)]);
      else if (!answerStranger(core, at, path, header, answer.notify)) {
        // The next request of the same initiator must not be taken without one (see `demandsCookies`).
        core.halfOpen.beginDemand(at);
        demandCookie(core, at, datagram, scan);
      }
      return;
  }
}

/** Keeps an IKE SA that waits for IKE_AUTH. */
function keep(
  core: Core,
  at: Instant,
  answer: Extract<InitAnswer, { kind: 'accepted' }>,
  begun: {
    readonly localSpi: IkeSa['localSpi'];
    readonly source: Path['remoteAddress'];
    readonly datagram: StrangersDatagram;
  },
): void {
  const { localSpi, source, datagram } = begun;
  const { header, path } = datagram;
  const sa: IkeSa = {
    number: core.nextNumber(),
    role: 'responder',
    startedAt: at,
    localSpi,
    remoteSpi: header.initiatorSpi,
    connection: undefined,
    path,
    nat: answer.nat,
    mappings: { since: at, count: 0 },
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
  core.halfOpen.enter(sa, source);
  sa.window.store(0, answer.state.handshake.request, [answer.response]);
  core.transmit(path, [answer.response]);
  core.touch(sa);
}

/** Whether cookies are demanded; that this begins or ends is told. */
function demandsCookies(core: Core, at: Instant, source: Path['remoteAddress']): boolean {
  const demanded = core.halfOpen.demandsCookies(at, source);
  if (demanded !== core.demandsCookies) {
    core.demandsCookies = demanded;
    core.report({ kind: 'cookiesDemanded', demanded, halfOpen: core.halfOpen.size });
  }
  return demanded;
}

function hasProvedAddress(core: Core, at: Instant, { header, path }: StrangersDatagram, scan: InitScan): boolean {
  const { initiatorSpi } = header;
  const { nonce, cookie } = scan;
  return cookie !== undefined && core.cookies.isGenuine(at, { path, initiatorSpi, nonce }, cookie);
}

/** Asks for the request once more with a COOKIE, and forgets it. */
function demandCookie(core: Core, at: Instant, { header, path }: StrangersDatagram, scan: InitScan): void {
  if (scan.cookie === undefined) core.drop(path, 'cookieRequired', 'a COOKIE is demanded');
  else core.drop(path, 'cookieInvalid', 'the COOKIE is not for this request, or too old; another is demanded');
  const cookie = core.cookies.make(at, { path, initiatorSpi: header.initiatorSpi, nonce: scan.nonce });
  const answer = errorMessage(header, notify(NotifyType.COOKIE, cookie));
  if (answer.length <= header.length) core.transmit(path, [answer]);
}

function decoded(core: Core, { header, bytes, path }: StrangersDatagram): Message | undefined {
  const message = decodeMessageBody(header, bytes);
  if (message.ok) return message.value;
  const { offset, field, reason } = message.error;
  core.drop(path, 'malformed', `byte ${offset}, ${field}: ${reason}`);
  return undefined;
}

function answerNonsense(core: Core, at: Instant, path: Path, header: Header, error: GrammarError): void {
  if (error.kind !== 'unsupportedCriticalPayload') return;
  const data = new Uint8Array([error.payloadType]);
  answerStranger(core, at, path, header, notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data));
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

/** An unprotected error to whoever sent a request: few a second, and never larger than the request was. */
function answerStranger(core: Core, at: Instant, path: Path, header: Header, payload: NotifyPayload): boolean {
  const answer = errorMessage(header, payload);
  if (answer.length > header.length || !core.errorReplies.take(at, path.remoteAddress)) return false;
  core.transmit(path, [answer]);
  return true;
}

/** An answer without protection and without state. */
function errorMessage(header: Header, payload: NotifyPayload): Uint8Array {
  const fields: HeaderFields = {
    initiatorSpi: header.initiatorSpi,
    responderSpi: header.responderSpi,
    exchangeType: header.exchangeType,
    flags: { initiator: !header.flags.initiator, response: true },
    messageId: header.messageId,
  };
  return encodeMessage(fields, [payload]);
}

const NONSENSE = 'an IKE_SA_INIT request that makes no sense';
