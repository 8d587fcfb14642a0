import { closeIkeSa } from './closing.ts';
import type { Connection } from './connection.ts';
import type { Core } from './core.ts';
import { enqueue } from './requests.ts';
import type { Established, IkeSa } from './state.ts';
import type { Instant } from './types.ts';

/*
 * Which of several IKE SAs of one pair stays. RFC 7296 §2.8 settles crossing rekeys only; crossing initial exchanges
 * are ours to settle, and both ends must come to the same answer:
 * - a peer that says INITIAL_CONTACT has nothing older with us: what was established before this exchange began ends;
 * - of two that did not overlap the newer one stays, and whoever began it deletes the older;
 * - of two whose initial exchanges overlapped the one with the lower nonce stays, and whoever began the other deletes it.
 * If the side whose turn it is does not, the other one does after a grace.
 */

/** What follows from an IKE SA having been established. */
export function settleNew(
  core: Core,
  at: Instant,
  connection: Connection,
  sa: IkeSa,
  state: Established,
  initialContact: boolean,
): void {
  connection.contacted = true;
  connection.failures = 0;
  connection.nextAttemptAt = undefined;
  abandonOwnAttempt(core, at, connection, sa);
  for (const other of connection.ikeSas) {
    if (other === sa || other.state.kind !== 'established') continue;
    if (initialContact && other.state.establishedAt <= sa.startedAt) {
      // Its SAs stay until the new ones are in use: a restarted peer's kernel still has them.
      other.state = { ...other.state, endsAt: at + 2 * core.context.limits.switchDelayMs };
      core.touch(other);
    } else if (other.number === sa.replaces) enqueue(core, at, other, { kind: 'deleteIkeSa', reason: 'replaced' });
    else sa.state = { ...currentState(sa, state), duplicateCheckAt: at + core.context.limits.duplicateDelayMs };
  }
  if (connection.replacing === sa.replaces) connection.replacing = 0;
}

/** Looks for another IKE SA of the pair and ends the one that loses, if it is our turn. */
export function settleDuplicates(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  if (sa.state.kind !== 'established') return;
  const { duplicateDelayMs, duplicateGraceMs } = core.context.limits;
  const overdue = at >= sa.state.establishedAt + duplicateDelayMs + duplicateGraceMs;
  sa.state = { ...sa.state, duplicateCheckAt: undefined };
  for (const other of [...connection.ikeSas]) {
    if (other === sa || other.state.kind !== 'established' || sa.state.kind !== 'established') continue;
    if (other.state.endsAt !== undefined) continue;
    const { loser, judge } = decide(sa, sa.state, other, other.state);
    if (judge.role === 'initiator' || overdue) enqueue(core, at, loser, { kind: 'deleteIkeSa', reason: 'duplicate' });
    else sa.state = { ...sa.state, duplicateCheckAt: sa.state.establishedAt + duplicateDelayMs + duplicateGraceMs };
  }
}

/** The IKE SA that ends, and the one whose initiator has to see to it. */
function decide(
  left: IkeSa,
  leftState: Established,
  right: IkeSa,
  rightState: Established,
): { readonly loser: IkeSa; readonly judge: IkeSa } {
  const leftIsNewer = left.startedAt >= rightState.establishedAt;
  const rightIsNewer = right.startedAt >= leftState.establishedAt;
  if (leftIsNewer !== rightIsNewer) return leftIsNewer ? { loser: right, judge: left } : { loser: left, judge: right };
  const leftStays = isLower(leftState.lowestNonce, rightState.lowestNonce);
  const loser = leftStays ? right : left;
  return { loser, judge: loser };
}

/** The peer was faster: what we have only asked for so far is of no use any more. */
function abandonOwnAttempt(core: Core, at: Instant, connection: Connection, established: IkeSa): void {
  for (const other of connection.ikeSas) {
    if (other !== established && other.state.kind === 'initRequested') closeIkeSa(core, at, other, 'duplicate');
  }
}

function currentState(sa: IkeSa, fallback: Established): Established {
  return sa.state.kind === 'established' ? sa.state : fallback;
}

function isLower(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return left.length < right.length;
}
