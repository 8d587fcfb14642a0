import { compareBytes } from '../negotiation/byte-order.ts';
import type { Established, IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import type { Connection } from './connection.ts';

/*
 * "Newer" goes by each end's own clock, yet both ends answer alike about two IKE SAs that both have. A side begins only
 * where it has none (`attempt`), unless it says which one the new one replaces; and it abandons what the peer has not
 * answered when another one is established (`abandonOwnAttempt`). Let L have begun one and R the other. L has established
 * R's while its own stands, so R had answered L's by then; R establishes its own only when it hears of that, so at R, too,
 * L's had begun before. The same holds the other way round: neither is newer at either end, and the nonces, which are the
 * same at both, decide. Of two that one side began it had lost the first before it began the second, at both ends. So a
 * newer one at one end alone is one beside an IKE SA that the peer has lost, and it is the right one to keep.
 *
 * A peer of another make knows nothing of the nonces. It sends on the pair that was established last at its end, and some
 * have nothing to send on, for as long as it takes to begin anew, once that one is deleted, although the other one is
 * there. So the one on which it sends stays; as long as nothing comes, both do.
 */

/** Which of two IKE SAs ends, and whether that is ours to see to before it is the peer's. */
export interface Decision {
  readonly loser: IkeSa;
  readonly winner: IkeSa;
  readonly isOurs: boolean;
}

/** What is to become of two IKE SAs of one peer; undefined where one is not established, or nothing tells them apart yet. */
export function decide(connection: Connection, left: IkeSa, right: IkeSa): Decision | undefined {
  if (left.state.kind !== 'established' || right.state.kind !== 'established') return undefined;
  const leftIsNewer = isNewer(left, right, right.state);
  const rightIsNewer = isNewer(right, left, left.state);
  if (leftIsNewer !== rightIsNewer) {
    const [winner, loser] = leftIsNewer ? [left, right] : [right, left];
    return { loser, winner, isOurs: winner.role === 'initiator' };
  }
  if (!left.state.peerIsAgent) return byTraffic(connection, left, left.state, right, right.state);
  const leftStays = compareBytes(left.state.lowestNonce, right.state.lowestNonce) < 0;
  const [winner, loser] = leftStays ? [left, right] : [right, left];
  return { loser, winner, isOurs: loser.role === 'initiator' };
}

function byTraffic(
  connection: Connection,
  left: IkeSa,
  leftState: Established,
  right: IkeSa,
  rightState: Established,
): Decision | undefined {
  const since = Math.max(leftState.authenticatedAt, rightState.authenticatedAt) + GONE_OVER_MS;
  const onLeft = lastReceivedAt(connection, leftState);
  const onRight = lastReceivedAt(connection, rightState);
  if (onLeft === onRight || Math.max(onLeft, onRight) < since) return undefined;
  const [winner, loser] = onLeft > onRight ? [left, right] : [right, left];
  return { loser, winner, isOurs: true };
}

function lastReceivedAt({ arrivals }: Connection, { children }: Established): Instant {
  return Math.max(NEVER, ...children.map(({ inboundSpi }) => arrivals.get(inboundSpi)?.receivedAt ?? NEVER));
}

function isNewer(sa: IkeSa, other: IkeSa, { authenticatedAt }: Established): boolean {
  return sa.replaces === other.number || (other.replaces !== sa.number && sa.startedAt >= authenticatedAt);
}

/**
 * Whether the peer must have lost an IKE SA: it has begun another one since, and did not say that it is to replace any. A
 * peer that is no agent never says so.
 */
export function isLost(sa: IkeSa, others: readonly IkeSa[]): boolean {
  return others.some((other) => {
    if (other === sa || sa.state.kind !== 'established' || other.state.kind !== 'established') return false;
    const isLater = isNewer(other, sa, sa.state) && !isNewer(sa, other, other.state);
    return isLater && other.role === 'responder' && other.replaces === 0;
  });
}

/** Whether of two IKE SAs of one peer the second stays, where both are established. */
export function losesTo(connection: Connection, sa: IkeSa, other: IkeSa): boolean {
  return sa !== other && decide(connection, sa, other)?.loser === sa;
}

const NEVER = Number.NEGATIVE_INFINITY;
/**
 * The kernel tells what has come since it was asked before, some of which may be from before the peer had both. So long after
 * that it has gone over to the one that it keeps, and what it has sent there has been counted.
 */
const GONE_OVER_MS = 10_000;
