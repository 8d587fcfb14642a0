import { releaseOrphans, removeAllChildren } from './child/removal.ts';
import { hastenRetirement } from './child/retirement.ts';
import { askForMissing, replaceOutdated, scheduleAttempt } from './connection/connecting.ts';
import { type Connection, isOwnAttempt, standingIkeSa } from './connection/connection.ts';
import { awaitsGrant } from './connection/instance.ts';
import type { Core } from './core.ts';
import type { CloseReason } from './fact.ts';
import { forgetReassemblies } from './message/fragment.ts';
import { forgetAsked } from './message/requests.ts';
import type { NegotiationFailure } from './outcome.ts';
import { hastenPredecessors, inherit } from './rekey/succession.ts';
import type { IkeSa } from './state.ts';
import type { Instant } from './types.ts';

/**
 * Ends an IKE SA: kernel objects, keys, entries in every table; and plans the next attempt where one is wanted. What was
 * said last can still be repeated for a while, unless the end comes as `silent` to the peer: then it may repeat the
 * request for what is gone, and must not be granted it once more.
 */
export function closeIkeSa(core: Core, at: Instant, sa: IkeSa, reason: CloseReason, silent = false): void {
  const { connection, state } = sa;
  if (state.kind === 'closed') return;
  const hasStood = state.kind === 'established' || state.kind === 'rekeyed';
  const wasEstablished = hasStood || (state.kind === 'deleting' && state.established);
  if (connection !== undefined) inherit(core, at, connection, sa);
  if (connection !== undefined) removeAllChildren(core, at, sa, connection, reason);
  forgetSecrets(core, sa);
  sa.window.close();
  sa.queue.length = 0;
  forgetReassemblies(sa);
  core.halfOpen.leave(sa);
  const expiresAt = at + core.context.limits.deleteTimeoutMs;
  sa.state = { kind: 'closed', expiresAt };
  core.touch(sa);
  // What said no in a response may have to say it again: the response can have been lost (RFC 7296 §2.1).
  if (silent || (!wasEstablished && !sa.window.hasAnsweredProtected)) core.ikeSas.delete(sa.localSpi);
  if (connection === undefined) return;
  connection.ikeSas = connection.ikeSas.filter((other) => other !== sa);
  hastenRetirement(core, at, connection, sa.number);
  hastenPredecessors(core, at, connection, sa);
  if (connection.replacing === sa.number) connection.replacing = 0;
  core.report({
    kind: 'ikeSaClosed',
    connection: connection.config.name,
    ikeSa: sa.number,
    path: sa.path,
    reason,
    established: wasEstablished,
  });
  // What we have asked for last may stand already, as the peer sees it, and the other one be what it has taken the place of.
  const last = !connection.ikeSas.some((other) => other.state.kind === 'established' || awaitsGrant(other));
  if (reason === 'deletedByPeer' && wasEstablished && last) releaseOrphans(core, at, connection);
  replaceOutdated(core, at, connection);
  scheduleAttempt(core, at, connection);
}

/**
 * Notes and reports why a negotiation came to nothing. If that was to replace an IKE SA, the one that stands has to last:
 * what it lacks is asked for there.
 */
export function noteFailure(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection | undefined,
  failure: NegotiationFailure,
): void {
  if (connection !== undefined) {
    // Whoever fails to prove to be the peer must not keep us from calling the peer.
    if (sa.role === 'initiator' || sa.state.kind === 'established') connection.failures += 1;
    connection.lastFailure = { at, text: failure.text };
    const standing = connection.replacing !== 0 && isOwnAttempt(sa) ? standingIkeSa(connection) : undefined;
    if (standing !== undefined) askForMissing(core, at, connection, standing);
  }
  core.report({
    kind: 'negotiationFailed',
    connection: connection?.config.name ?? '',
    path: sa.path,
    reason: failure.reason,
    by: failure.by,
    text: failure.text,
  });
}

function forgetSecrets(core: Core, sa: IkeSa): void {
  const { state } = sa;
  forgetAsked(core, state);
  switch (state.kind) {
    case 'initRequested':
      state.ephemeral.wipe();
      return;
    case 'initAnswered':
      state.ephemeral.wipe();
      state.keys?.wipe();
      return;
    case 'verifying':
      core.jobs.delete(state.job);
      state.keys.wipe();
      return;
    case 'authRequested':
    case 'established':
    case 'rekeyed':
    case 'deleting':
      state.keys.wipe();
      return;
    case 'closed':
      return;
  }
}
