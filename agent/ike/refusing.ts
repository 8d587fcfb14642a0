import { err, type Result } from '../result.ts';
import type { GrammarError } from '../wire/grammar.ts';
import { NotifyType } from '../wire/registry.ts';
import type { EndingRequest } from './child/ending.ts';
import { closeIkeSa, noteFailure } from './closing.ts';
import type { Core } from './core.ts';
import { notify } from './message/notify.ts';
import { securedBy, storeResponse } from './message/protected-message.ts';
import { endWith } from './message/requests.ts';
import type { HandledRequest, Refusal } from './outcome.ts';
import type { IkeSa } from './state.ts';
import type { Instant, Path } from './types.ts';

/** What is said to an authenticated peer whose message has no proper form (RFC 7296 §2.5, §2.21.3). */
export function syntaxError(sa: IkeSa, error: GrammarError): Result<never, Refusal> {
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

export function refuseRequest(core: Core, at: Instant, sa: IkeSa, refusal: Refusal, handled: HandledRequest): void {
  if (refusal.kind === 'drop') {
    core.drop(handled.path, refusal.reason, refusal.text);
    return;
  }
  const secured = securedBy(sa.state);
  if (refusal.notify !== undefined && secured !== undefined) {
    core.transmit(handled.path, storeResponse(core, sa, secured, handled, [refusal.notify]));
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
export function refuseResponse(core: Core, at: Instant, sa: IkeSa, refusal: Refusal, path: Path): void {
  if (refusal.kind === 'drop') {
    core.drop(path, refusal.reason, refusal.text);
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

const AUTHENTICATION_FAILED: EndingRequest = { kind: 'authenticationFailed' };
const PROTOCOL_VIOLATION: EndingRequest = { kind: 'deleteIkeSa', reason: 'protocolViolation' };
