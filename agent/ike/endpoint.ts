import { assertNever } from '../result.ts';
import { decodeHeader, MAJOR_VERSION, ZERO_SPI } from '../wire/header.ts';
import { decodeMessageBody } from '../wire/message.ts';
import { ExchangeType } from '../wire/registry.ts';
import { retryRefused } from './child/refused-commands.ts';
import { deleteDueUnselected, nextUnselectedAt } from './child/unselected.ts';
import { closeIkeSa } from './closing.ts';
import { onCommand } from './commands.ts';
import { commit } from './commit.ts';
import { callWaiting } from './connection/connecting.ts';
import { isOutlived, readPast } from './connection/instance.ts';
import { Core } from './core.ts';
import { ikeSaDeadline, onConnectionDeadline, onIkeSaDeadline } from './deadlines.ts';
import { answerAuthRequest, authenticationFailed, finishAuth } from './exchange/ike-auth.ts';
import { receive } from './ike-sa.ts';
import { onDataplaneFailed, onKernelEvent } from './kernel-events.ts';
import { refuse } from './refusing.ts';
import { statusOf } from './status.ts';
import { onInitRequest, onOtherVersion, onUnknownSpi } from './stranger/strangers.ts';
import type { Endpoint, EndpointContext, EndpointStatus, IkeAction, IkeEvent, Instant, Path } from './types.ts';

/** Makes an IKE endpoint without connections; `addConnection` commands give it some. */
export function createEndpoint(context: EndpointContext): Endpoint {
  return new IkeEndpoint(context);
}

class IkeEndpoint implements Endpoint {
  readonly #core: Core;

  constructor(context: EndpointContext) {
    this.#core = new Core(context, ikeSaDeadline);
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
    callWaiting(core, at);
    return core.takeActions();
  }

  nextDeadline(): Instant | undefined {
    const { ikeSaTimers, connectionTimers, refused } = this.#core;
    const atKernel = earliest(refused.retryAt, nextUnselectedAt(this.#core));
    return earliest(earliest(ikeSaTimers.next(), connectionTimers.next()), atKernel);
  }

  status(at: Instant): EndpointStatus {
    return statusOf(this.#core, at);
  }
}

/** One owner at a time: an action list that fails concerns one of them only, and the next call brings the next. */
function onDeadline(core: Core, at: Instant): void {
  if (core.refused.retryAt !== undefined && core.refused.retryAt <= at) {
    retryRefused(core, at);
    return;
  }
  if ((nextUnselectedAt(core) ?? Number.POSITIVE_INFINITY) <= at) {
    deleteDueUnselected(core, at);
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
    core.pacing.note(sa);
    if (core.ikeSas.get(sa.localSpi) === sa) core.ikeSaTimers.set(sa, ikeSaDeadline(sa, core.context.limits));
  }
}

function onDatagram(core: Core, at: Instant, path: Path, bytes: Uint8Array): void {
  const header = decodeHeader(bytes);
  if (!header.ok) {
    core.drop(path, 'malformed', `${header.error.field}: ${header.error.reason}`);
    return;
  }
  const datagram = { header: header.value, bytes, path };
  const { initiatorSpi, responderSpi, exchangeType, flags, majorVersion } = header.value;
  if (majorVersion !== MAJOR_VERSION) {
    onOtherVersion(core, at, datagram);
    return;
  }
  if (exchangeType === ExchangeType.IKE_SA_INIT && !flags.response && responderSpi === ZERO_SPI) {
    onInitRequest(core, at, datagram);
    return;
  }
  const sa = core.ikeSas.get(flags.initiator ? responderSpi : initiatorSpi);
  if (sa === undefined) {
    onUnknownSpi(core, at, datagram);
    return;
  }
  const remoteSpi = flags.initiator ? initiatorSpi : responderSpi;
  if (sa.remoteSpi !== ZERO_SPI && sa.remoteSpi !== remoteSpi) {
    core.drop(path, 'unknownSpi', 'the SPI of the sender is not that of the IKE SA');
    return;
  }
  const message = decodeMessageBody(header.value, bytes);
  if (message.ok) receive(core, at, sa, { message: message.value, bytes, path });
  else core.drop(path, 'malformed', `byte ${message.error.offset}, ${message.error.field}: ${message.error.reason}`);
}

function onVerified(core: Core, at: Instant, job: number, refusal: string | undefined): void {
  const sa = core.jobs.get(job);
  core.jobs.delete(job);
  if (sa === undefined || sa.state.kind !== 'verifying' || sa.connection === undefined) return;
  const { handshake, keys, inner, since } = sa.state;
  const negotiated = { handshake, keys };
  const { connection } = sa;
  core.touch(sa);
  const { notifies } = inner.kind === 'request' ? inner.request : inner.response;
  if (refusal === undefined && isOutlived(connection, readPast(notifies, handshake.peerIsAgent), since)) {
    // Nobody is there any more who could use it.
    closeIkeSa(core, at, sa, 'replaced', true);
    return;
  }
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
