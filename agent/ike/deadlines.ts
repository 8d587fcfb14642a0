import { NotifyType } from '../wire/registry.ts';
import { askForCounters } from './child/proof-of-use.ts';
import { keepUnanswered } from './child/retirement.ts';
import { setChildren } from './child/set-children.ts';
import { tendRetiring } from './child/tend-retiring.ts';
import { closeIkeSa, noteFailure } from './closing.ts';
import { askForMissing, attempt, reauthenticate } from './connection/connecting.ts';
import { type Connection, mayReceive, standingIkeSa } from './connection/connection.ts';
import { followUp, hasLost, settle } from './connection/settle.ts';
import type { Core } from './core.ts';
import { unprotectedErrorText } from './exchange/ike-sa-init.ts';
import type { Limits } from './limits.ts';
import { expireReassemblies } from './message/fragment.ts';
import { repetition } from './message/protected-message.ts';
import { enqueue, sendQueued } from './message/requests.ts';
import type { NegotiationFailure } from './outcome.ts';
import { keepaliveAt, postponeKeepalive, sendKeepalive } from './path/keepalive.ts';
import { reauthenticationAt } from './rekey/authentication-lifetime.ts';
import { childDeadline, rekeyIkeSa, tendChildren } from './rekey/rekeying.ts';
import { endRekeyed } from './rekey/succession.ts';
import type { Deleting, Established, IkeSa } from './state.ts';
import type { Instant } from './types.ts';

/** When something is to be done for an IKE SA; undefined when only the peer can go on. */
export function ikeSaDeadline(sa: IkeSa, limits: Limits): Instant | undefined {
  const { state } = sa;
  const { pending } = sa.window;
  let earliest = pending === undefined ? NEVER : Math.min(pending.repeatAt, pending.giveUpAt);
  for (const { expiresAt } of sa.reassemblies) earliest = Math.min(earliest, expiresAt);
  switch (state.kind) {
    case 'initAnswered':
    case 'verifying':
    case 'closed':
      earliest = Math.min(earliest, state.expiresAt);
      break;
    case 'established':
      if (pending === undefined) earliest = sooner(earliest, livenessAt(sa, limits));
      earliest = sooner(earliest, state.rekeyAt);
      earliest = sooner(earliest, reauthenticationAt(state));
      earliest = sooner(earliest, state.settleAt);
      earliest = sooner(earliest, state.followUp?.at);
      earliest = sooner(earliest, state.endsAt);
      earliest = sooner(earliest, keepaliveAt(sa));
      for (const child of state.children) earliest = sooner(earliest, childDeadline(child));
      break;
    case 'rekeyed':
      earliest = Math.min(earliest, state.deleteAt);
      break;
    case 'initRequested':
    case 'authRequested':
    case 'deleting':
      break;
  }
  return earliest === NEVER ? undefined : earliest;
}

function sooner(earliest: Instant, other: Instant | undefined): Instant {
  return other === undefined || other >= earliest ? earliest : other;
}

/** Does what is due for an IKE SA. */
export function onIkeSaDeadline(core: Core, at: Instant, sa: IkeSa): void {
  const { state, connection } = sa;
  expireReassemblies(core, at, sa);
  if (state.kind === 'closed') {
    if (state.expiresAt <= at) core.ikeSas.delete(sa.localSpi);
    return;
  }
  if ((state.kind === 'initAnswered' || state.kind === 'verifying') && state.expiresAt <= at) {
    expire(core, at, sa, connection);
    return;
  }
  if (state.kind === 'established' && state.endsAt !== undefined && state.endsAt <= at) {
    endForgotten(core, at, sa, state, connection);
    return;
  }
  const { pending } = sa.window;
  if (pending !== undefined && pending.giveUpAt <= at) {
    giveUp(core, at, sa);
    return;
  }
  if (pending !== undefined && pending.repeatAt <= at) repeat(core, at, sa);
  if (state.kind === 'rekeyed' && connection !== undefined && state.deleteAt <= at) {
    endRekeyed(core, at, connection, sa, state);
  }
  if (state.kind === 'established' && connection !== undefined) whileEstablished(core, at, sa, state, connection);
}

/** Does what is due for a connection: an attempt, retired SAs. */
export function onConnectionDeadline(core: Core, at: Instant, connection: Connection): void {
  if (connection.switchCheckAt !== undefined && connection.switchCheckAt <= at) askForCounters(core, at, connection);
  tendRetiring(core, at, connection);
  if (connection.nextAttemptAt !== undefined && connection.nextAttemptAt <= at) {
    attempt(core, at, connection, 'inLine');
  }
}

/**
 * The peer has forgotten the IKE SA. Its SAs in the kernel may be in use until the peer sends on their successors, but
 * not where its kernel has lost them.
 */
function endForgotten(
  core: Core,
  at: Instant,
  sa: IkeSa,
  state: Established,
  connection: Connection | undefined,
): void {
  // What else the peer has forgotten, from a run before, is no successor.
  const successors = (connection?.ikeSas ?? []).flatMap((other) =>
    other.state.kind === 'established' && other.state.endsAt === undefined
      ? other.state.children.filter((child) => child.settledAt !== undefined)
      : [],
  );
  const replaced = state.children.every((old) => {
    if (connection === undefined || !mayReceive(connection, old)) return true;
    return successors.some((child) => child.config.name === old.config.name);
  });
  if (replaced) {
    if (keepsUnanswered(core, state, connection)) keepUnanswered(core, at, connection, sa.number, 'heard');
    closeIkeSa(core, at, sa, 'replaced', true);
    return;
  }
  sa.state = { ...state, endsAt: at + core.context.limits.forgottenGraceMs };
  if (connection !== undefined) askForSuccessors(core, at, connection);
}

/** As long as the pairs of a forgotten IKE SA are there nothing seems to be missing, so that nobody else asks. */
function askForSuccessors(core: Core, at: Instant, connection: Connection): void {
  const standing = standingIkeSa(connection);
  if (standing?.state.kind !== 'established' || standing.state.endsAt !== undefined) return;
  if (standing.role === 'initiator') askForMissing(core, at, connection, standing);
}

function whileEstablished(core: Core, at: Instant, sa: IkeSa, state: Established, connection: Connection): void {
  if ((keepaliveAt(sa) ?? Number.POSITIVE_INFINITY) <= at) sendKeepalive(core, at, sa);
  if (state.followUp !== undefined && state.followUp.at <= at) followUp(core, at, connection, sa, state.followUp);
  if (state.settleAt !== undefined && state.settleAt <= at) settle(core, at, connection, sa);
  tendChildren(core, at, connection, sa);
  if (sa.state.kind !== 'established') return;
  if (sa.state.rekeyAt <= at || sa.window.exhausted) rekeyIkeSa(core, at, connection, sa);
  if (sa.state.kind !== 'established') return;
  const reauthenticateAt = reauthenticationAt(sa.state);
  if (reauthenticateAt !== undefined && reauthenticateAt <= at) {
    const again = at + core.context.limits.rekeyRetryMs;
    sa.state = { ...sa.state, reauthenticateAt: again, demandedAt: undefined };
    reauthenticate(core, at, connection, sa);
  }
  if (sa.window.pending !== undefined || livenessAt(sa, core.context.limits) > at) return;
  if (sa.queue.length === 0) enqueue(core, at, sa, { kind: 'liveness' });
  else sendQueued(core, at, sa);
}

/**
 * Liveness is asked about only without proof of life (RFC 7296 §2.4). The original responder leaves the question to the
 * initiator, whose request proves life as well as an answer does.
 */
function livenessAt(sa: IkeSa, limits: Limits): Instant {
  const patience = sa.role === 'responder' ? limits.retransmitFirstMs : 0;
  return sa.lastHeardAt + (sa.connection?.config.liveness.intervalMs ?? 0) + patience;
}

function repeat(core: Core, at: Instant, sa: IkeSa): void {
  const { limits, random } = core.context;
  const pending = sa.window.repeat(at, limits, random.jitter);
  const { attempt: count } = pending;
  core.report({ kind: 'retransmitted', connection: sa.connection?.config.name ?? '', path: sa.path, attempt: count });
  core.transmit(sa.path, repetition(core, sa, pending));
  postponeKeepalive(core, at, sa);
}

/** Nobody came to finish what was begun, or the Verifier did not answer. */
function expire(core: Core, at: Instant, sa: IkeSa, connection: Connection | undefined): void {
  if (sa.state.kind === 'verifying') {
    const text = `the certificate of ${connection?.config.name ?? 'a peer'} was not verified in time`;
    noteFailure(core, at, sa, connection, { reason: 'timeout', by: 'us', text });
  }
  closeIkeSa(core, at, sa, 'expired');
}

function giveUp(core: Core, at: Instant, sa: IkeSa): void {
  const { state, connection } = sa;
  // Whether the peer is alive is asked on the successor, or on what a later run of its agent has made.
  if (state.kind === 'rekeyed' || isOutlived(sa, connection)) {
    sa.window.close();
    return;
  }
  if (state.kind === 'established' || state.kind === 'deleting') {
    if (isWaitedFor(core, sa) && isHeard(at, sa, core.context.limits)) return;
    if (state.kind === 'established') closeDead(core, at, sa, state, connection);
    else {
      if (keepsUnanswered(core, state, connection)) {
        keepUnanswered(core, at, connection, sa.number, hasLost(connection, state) ? 'heard' : 'untold');
      }
      closeIkeSa(core, at, sa, state.reason, true);
    }
    return;
  }
  if (connection !== undefined) noteFailure(core, at, sa, connection, timeoutFailure(connection, sa));
  closeIkeSa(core, at, sa, 'negotiationFailed');
}

/**
 * Whether the peer has forgotten the IKE SA and was heard since on another one that stays. Pairs of it that nothing has replaced yet
 * are in its kernel: were they given up, their traffic would go in plaintext where that is allowed.
 */
function isOutlived({ state, lastHeardAt }: IkeSa, connection: Connection | undefined): boolean {
  // What was asked for holds keys and an SPI, which end with the IKE SA.
  if (state.kind !== 'established' || state.endsAt === undefined || state.asked !== undefined) return false;
  return (connection?.ikeSas ?? []).some(
    (other) =>
      other.state.kind === 'established' && other.state.endsAt === undefined && other.lastHeardAt > lastHeardAt,
  );
}

/**
 * The peer is as dead on every other IKE SA that it has not answered on since: else what was sent on here would go on in
 * one that the peer may have deleted, while its kernel still has what was in use. A peer that is no agent keeps nothing,
 * so there each IKE SA is asked for itself.
 */
function closeDead(core: Core, at: Instant, sa: IkeSa, state: Established, connection: Connection | undefined): void {
  if (connection !== undefined) connection.lastFailure = { at, text: deadText(connection, at, sa) };
  const others = connection === undefined || !state.peerIsAgent ? [] : connection.ikeSas.filter(isAsSilent(sa));
  // What is in use ends last, so that nothing else takes its place for a moment.
  const dead = [...others, sa].toSorted((left, right) => inUse(left) - inUse(right));
  // Nor does it show that the peer has left one of them that it has sent on another one since: it may go back.
  if (others.length > 0) for (const each of dead) forgetSettled(each);
  for (const each of dead) {
    if (keepsUnanswered(core, state, connection)) keepUnanswered(core, at, connection, each.number, 'untold');
    closeIkeSa(core, at, each, 'peerDead', true);
  }
}

function forgetSettled(sa: IkeSa): void {
  setChildren(sa, (children) => children.map((child) => ({ ...child, settledAt: undefined })));
}

function isAsSilent(dead: IkeSa): (other: IkeSa) => boolean {
  return (other) =>
    other !== dead &&
    other.state.kind === 'established' &&
    other.lastHeardAt <= dead.lastHeardAt &&
    other.window.pending !== undefined &&
    other.window.pending.attempt > 0;
}

function inUse({ state }: IkeSa): number {
  return state.kind === 'established' ? state.children.filter(({ usage }) => usage === 'current').length : 0;
}

function deadText({ config }: Connection, at: Instant, { path, lastHeardAt }: IkeSa): string {
  const silentSeconds = Math.round((at - lastHeardAt) / 1_000);
  return (
    `${config.name} (${path.remoteAddress}) has stopped answering, and nothing has come from it for ${silentSeconds} s: ` +
    'is it running, and is the path to it open?'
  );
}

/**
 * A peer that still talks is not dead, though our request or its answer gets lost again and again: the request is
 * repeated on, but not for ever, for nothing else can be asked meanwhile. One that talks on what is to be deleted may
 * have taken it into use just now, when our answer to its IKE_AUTH had come at last.
 */
function isHeard(at: Instant, sa: IkeSa, limits: Limits): boolean {
  const { pending } = sa.window;
  const timeoutMs = patienceMs(sa, limits);
  if (pending === undefined || at >= pending.openedAt + MOST_TIMEOUTS * timeoutMs) return false;
  if (sa.lastHeardAt + timeoutMs <= at) return false;
  sa.window.extend(sa.lastHeardAt + timeoutMs);
  return true;
}

/**
 * An initiator that has not had our answer to its IKE_AUTH yet answers nothing, but goes on asking for that. It is waited
 * for as long as it may ask: where the path fails meanwhile, whoever gave up sooner would have it ask in vain until its
 * own time is over, and traffic wait for a new attempt. A peer that has died in these first seconds, which cannot be told
 * from that, is noticed when it begins anew.
 */
function patienceMs(sa: IkeSa, limits: Limits): number {
  if (sa.state.kind === 'deleting') return limits.deleteTimeoutMs;
  const timeoutMs = sa.connection?.config.liveness.timeoutMs ?? 0;
  const unheard =
    sa.role === 'responder' &&
    sa.state.kind === 'established' &&
    sa.lastHeardAt <= sa.state.establishedAt &&
    !hasMovedOn(sa);
  return unheard ? Math.max(timeoutMs, limits.handshakeTimeoutMs) : timeoutMs;
}

/** Whether the peer has been heard on another IKE SA since: it does not ask for our answer on this one any more. */
function hasMovedOn(sa: IkeSa): boolean {
  const others = sa.connection?.ikeSas.filter((other) => other !== sa && other.state.kind === 'established') ?? [];
  return others.some(({ lastHeardAt }) => lastHeardAt > sa.lastHeardAt);
}

/** Nobody would ever remove what is kept for a connection that has been taken out of the configuration. */
function keepsUnanswered(
  core: Core,
  { peerIsAgent }: Established | Deleting,
  connection: Connection | undefined,
): connection is Connection {
  return peerIsAgent && isConfigured(core, connection);
}

/** A peer that has been taken out of the configuration is waited for only to tell it so. */
function isWaitedFor(core: Core, { state, connection }: IkeSa): boolean {
  return state.kind === 'deleting' || isConfigured(core, connection);
}

function isConfigured(core: Core, connection: Connection | undefined): connection is Connection {
  return connection !== undefined && core.connections.get(connection.config.name) === connection;
}

function timeoutFailure(connection: Connection, sa: IkeSa): NegotiationFailure {
  const { state } = sa;
  if (state.kind === 'initRequested' && state.unprotectedError !== undefined) {
    const text = unprotectedErrorText(connection, state.unprotectedError);
    const noProposal = state.unprotectedError === NotifyType.NO_PROPOSAL_CHOSEN;
    return { reason: noProposal ? 'noProposalChosen' : 'refusedByPeer', by: 'peer', text };
  }
  const { name, remoteAddress } = connection.config;
  const exchange = state.kind === 'initRequested' ? 'IKE_SA_INIT' : 'IKE_AUTH';
  const advice =
    state.kind === 'initRequested'
      ? `is it running, and are UDP ports 500 and 4500 open between ${sa.path.localAddress} and it?`
      : 'it answered the first message only: is UDP port 4500 open, and do large packets pass?';
  return { reason: 'timeout', by: 'us', text: `${name} (${remoteAddress}) does not answer ${exchange}: ${advice}` };
}

const NEVER = Number.POSITIVE_INFINITY;
/** How many liveness timeouts a request of ours is repeated for, to a peer that talks but does not answer it. */
const MOST_TIMEOUTS = 4;
