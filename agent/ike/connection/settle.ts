import type { ChildSa } from '../child/child-sa.ts';
import { deletionOf } from '../child/ending.ts';
import { orderPolicies } from '../child/order-policies.ts';
import { sendOn } from '../child/pair-in-use.ts';
import { removeOrphans, removePinned } from '../child/retirement.ts';
import { closeIkeSa } from '../closing.ts';
import type { Core } from '../core.ts';
import { followUpLater, settleLater } from '../follow-up.ts';
import { enqueue, sendQueued } from '../message/requests.ts';
import { rivalOf } from '../rekey/under-way.ts';
import type { Deleting, Established, FollowUp, IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { isUnwanted } from './configured.ts';
import {
  askForMissing,
  awaitsProof,
  backoffMs,
  callOff,
  isSatisfied,
  lacksChildren,
  reauthenticate,
  scheduleAttempt,
} from './connecting.ts';
import { type Connection, standingIkeSa } from './connection.ts';
import { type Forgotten, forgottenBy, type PeerPast, supersededBy } from './instance.ts';
import { decide } from './rivalry.ts';

/*
 * Which of several IKE SAs of one pair stays. RFC 7296 §2.8 settles crossing rekeys only; crossing initial exchanges
 * are ours to settle, and both ends must come to the same answer:
 * - what a peer has forgotten (`instance.ts`) and was established before this exchange began ends;
 * - of two that did not overlap the newer one stays, and whoever began it deletes the older;
 * - of two whose initial exchanges overlapped the one with the lower nonce stays, and whoever began the other deletes it;
 *   with a peer of another make the one on which it sends stays, and we delete the other.
 * If the side whose turn it is does not, the other one does after a grace. Which is which: `rivalry.ts`.
 *
 * Nothing that carries traffic ends in the same action list that installs its successor: if the kernel refuses the
 * successor, what was there before is still there.
 */

/**
 * Notes what the peer of a new IKE SA says of its past, before anything is installed: what its kernel has lost keeps
 * nobody from sending on the new pair. Returns what it has forgotten.
 */
export function notePast(connection: Connection, sa: IkeSa, past: PeerPast): Forgotten {
  const forgotten = forgottenBy(connection.peerInstance, past);
  connection.peerInstance = past.instance ?? connection.peerInstance;
  if (sa.role === 'responder') sa.replaces = supersededBy(connection, past)?.number ?? 0;
  if (forgotten === 'everything') {
    connection.peerEmptyAt = sa.startedAt;
    connection.orphans = connection.orphans.map((orphan) => ({ ...orphan, pinned: false }));
  }
  return forgotten;
}

/** What follows from an IKE SA having been established. */
export function settleNew(core: Core, at: Instant, connection: Connection, sa: IkeSa, forgotten: Forgotten): void {
  const { limits } = core.context;
  if (!connection.contacted) connection.firstIkeSa = sa.number;
  connection.contacted = true;
  callOff(core, connection);
  abandonOwnAttempt(core, at, connection, sa);
  let settleAt = at;
  for (const other of connection.ikeSas) {
    if (other === sa || other.state.kind !== 'established') continue;
    if (forgotten !== 'nothing' && other.state.authenticatedAt <= sa.startedAt) {
      // A restarted peer's kernel still has its SAs: they stay until the new ones are in use.
      const graceMs = forgotten === 'ikeSas' ? limits.forgottenGraceMs : 0;
      other.state = { ...other.state, endsAt: at + graceMs };
      core.touch(other);
      // Its answer, or its request, shows when they are.
      followUpLater(core, at, sa, [], true);
    } else if (other.number !== sa.replaces) settleAt = at + limits.duplicateDelayMs;
  }
  const { replacing, invited, outdated } = connection;
  // What we have begun since shows all that is new, whichever it was to replace.
  const isCurrent = sa.role === 'initiator' && outdated.includes(replacing) && !outdated.includes(sa.number);
  if (replacing === sa.replaces || replacing === invited || isCurrent) connection.replacing = 0;
  connection.invited = 0;
  if (forgotten === 'everything') {
    orderPolicies(core, connection);
    removeOrphans(core, connection);
  }
  settleLater(core, sa, settleAt);
  if (connection.outdated.includes(sa.number)) reauthenticate(core, at, connection, sa);
}

/** Does what follows a new pair: what was sent on before goes, and requests are sent; those that wait already first. */
export function followUp(core: Core, at: Instant, connection: Connection, sa: IkeSa, due: FollowUp): void {
  if (sa.state.kind !== 'established') return;
  for (const child of sa.state.children) {
    if (child.usage === 'current') removePinned(core, at, connection, child.config.reqid);
  }
  sa.state = { ...sa.state, followUp: undefined };
  sendQueued(core, at, sa);
  for (const child of due.missing) enqueue(core, at, sa, { kind: 'createChild', child, group: undefined });
  if (due.show && isIdle(sa)) enqueue(core, at, sa, { kind: 'liveness' });
}

/** Ends what this IKE SA, or a newer pair in it, has taken the place of, as far as it is our turn. */
export function settle(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  if (sa.state.kind !== 'established') return;
  sa.state = { ...sa.state, settleAt: undefined };
  if (isSatisfied(connection)) connection.failures = 0;
  else scheduleAttempt(core, at, connection);
  for (const child of sa.state.children) {
    // It had been asked for when it was configured still.
    if (child.weInitiated && isUnwanted(connection, child.config, core.context.limits))
      enqueue(core, at, sa, deletionOf(child, 'deletedLocally'));
  }
  for (const child of sa.state.children) {
    if (child.usage !== 'superseded' || !isOursToDelete(sa.state, child)) continue;
    enqueue(core, at, sa, deletionOf(child, 'replaced'));
  }
  for (const other of connection.ikeSas) {
    if (other !== sa && sa.state.kind === 'established') settleBetween(core, at, connection, sa, other);
  }
}

function settleBetween(core: Core, at: Instant, connection: Connection, sa: IkeSa, other: IkeSa): void {
  if (sa.state.kind !== 'established' || other.state.kind !== 'established') return;
  if (other.state.endsAt !== undefined || sa.state.endsAt !== undefined) return;
  if (other.state.rivalOf !== undefined || sa.state.rivalOf !== undefined) return;
  const { duplicateDelayMs, duplicateGraceMs, retransmitFirstMs } = core.context.limits;
  const bothSince = Math.max(sa.state.authenticatedAt, other.state.authenticatedAt);
  const overdueAt = bothSince + duplicateDelayMs + duplicateGraceMs;
  const decision = decide(connection, sa, other);
  if (decision === undefined) {
    settleLater(core, sa, at + duplicateDelayMs);
    return;
  }
  const { loser, winner, isOurs } = decision;
  if (isSilent(winner)) {
    settleLater(core, sa, at + backoffMs(core, connection));
  } else if (isAsking(loser)) {
    // The peer may send on what it grants before we have its answer.
    settleLater(core, sa, at + retransmitFirstMs);
  } else if (!isOurs && at < overdueAt) {
    // The peer deletes the loser only when it knows that we have the winner.
    if (winner.role === 'initiator') enqueue(core, at, winner, { kind: 'liveness' });
    settleLater(core, sa, overdueAt);
  } else if (lacksChildren(connection, winner, loser)) {
    if (winner.role === 'initiator') askForMissing(core, at, connection, winner);
    settleLater(core, sa, at + backoffMs(core, connection));
  } else if (awaitsProof(connection, winner, loser)) {
    if (isIdle(winner) && couldProve(winner)) enqueue(core, at, winner, { kind: 'liveness' });
    settleLater(core, sa, at + retransmitFirstMs);
  } else {
    const reason = winner.replaces === loser.number ? 'replaced' : 'duplicate';
    sendOn(core, at, connection, winner, loser);
    enqueue(core, at, loser, { kind: 'deleteIkeSa', reason });
  }
}

function isIdle({ window, queue }: IkeSa): boolean {
  return window.pending === undefined && queue.length === 0;
}

/** Whether a request has had to be repeated: the peer may not know that IKE SA any more. */
function isSilent({ window }: IkeSa): boolean {
  return window.pending !== undefined && window.pending.attempt > 0;
}

/** Whether an answer is to come that may grant a Child SA. */
function isAsking({ state }: IkeSa): boolean {
  return state.kind === 'established' && state.asked !== undefined && state.asked.kind !== 'deleteChild';
}

/** Whether the answer to a question would show that the peer has a Child SA. */
function couldProve({ state }: IkeSa): boolean {
  return (
    state.kind === 'established' &&
    state.children.some((child) => child.settledAt === undefined && child.settledBy !== undefined)
  );
}

/** The peer was faster: what we have only asked for so far is of no use any more. */
function abandonOwnAttempt(core: Core, at: Instant, connection: Connection, established: IkeSa): void {
  for (const other of connection.ikeSas) {
    if (other !== established && other.state.kind === 'initRequested') closeIkeSa(core, at, other, 'duplicate');
  }
}

/**
 * Somebody says, without proof, that the peer knows nothing of an IKE SA. Of one that we have begun it is believed where the
 * peer has authenticated on another one since: whoever has made it up costs us nothing that is wanted. Where our Delete is
 * out, the peer is asked something on the IKE SA that stands: if it answers that, but never the Delete, it is true.
 */
export function onDisowned(core: Core, at: Instant, sa: IkeSa): void {
  const { connection, state } = sa;
  if (connection === undefined) return;
  if (state.kind === 'authRequested' && isSuperseded(connection, sa)) closeIkeSa(core, at, sa, 'duplicate', true);
  if (state.kind !== 'deleting' || state.disownedAt !== undefined) return;
  sa.state = { ...state, disownedAt: at };
  const standing = standingIkeSa(connection);
  if (standing !== undefined && isIdle(standing)) enqueue(core, at, standing, { kind: 'liveness' });
}

function isSuperseded({ ikeSas }: Connection, { startedAt }: IkeSa): boolean {
  return ikeSas.some(({ state }) => {
    return state.kind === 'established' && state.endsAt === undefined && state.authenticatedAt > startedAt;
  });
}

/** Whether the peer has answered all that it was asked on the IKE SA that stands since it was said to have lost this one. */
export function hasLost(connection: Connection, { disownedAt }: Deleting): boolean {
  const standing = standingIkeSa(connection);
  if (disownedAt === undefined || standing === undefined) return false;
  return standing.window.pending === undefined && standing.lastHeardAt > disownedAt;
}

/**
 * Whether it is for us to delete a pair that is out of use: of two rekeys that crossed the initiator of the redundant one
 * deletes it, and the initiator of the other one what both have replaced (RFC 7296 §2.8.1).
 */
function isOursToDelete({ children }: Established, child: ChildSa): boolean {
  if (rivalOf(children, child) !== undefined) return child.weInitiated;
  return children.some(({ config, usage, weInitiated }) => {
    return config.name === child.config.name && usage === 'current' && weInitiated;
  });
}
