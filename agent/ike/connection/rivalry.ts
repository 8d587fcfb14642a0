import { compareBytes } from '../negotiation/byte-order.ts';
import type { Established, IkeSa } from '../state.ts';

/*
 * "Newer" goes by each end's own clock, yet both ends answer alike about two IKE SAs that both have. A side begins only
 * where it has none (`attempt`), unless it says which one the new one replaces; and it abandons what the peer has not
 * answered when another one is established (`abandonOwnAttempt`). Let L have begun one and R the other. L has established
 * R's while its own stands, so R had answered L's by then; R establishes its own only when it hears of that, so at R, too,
 * L's had begun before. The same holds the other way round: neither is newer at either end, and the nonces, which are the
 * same at both, decide. Of two that one side began it had lost the first before it began the second, at both ends. So a
 * newer one at one end alone is one beside an IKE SA that the peer has lost, and it is the right one to keep.
 */

/** The IKE SA that ends, the one that stays, and the one whose initiator has to see to it. */
export function decide(
  left: IkeSa,
  leftState: Established,
  right: IkeSa,
  rightState: Established,
): { readonly loser: IkeSa; readonly winner: IkeSa; readonly judge: IkeSa } {
  const leftIsNewer = isNewer(left, right, rightState);
  const rightIsNewer = isNewer(right, left, leftState);
  if (leftIsNewer !== rightIsNewer) {
    const [winner, loser] = leftIsNewer ? [left, right] : [right, left];
    return { loser, winner, judge: winner };
  }
  const leftStays = compareBytes(leftState.lowestNonce, rightState.lowestNonce) < 0;
  const [winner, loser] = leftStays ? [left, right] : [right, left];
  return { loser, winner, judge: loser };
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
export function losesTo(sa: IkeSa, other: IkeSa): boolean {
  if (sa === other || sa.state.kind !== 'established' || other.state.kind !== 'established') return false;
  return decide(sa, sa.state, other, other.state).loser === sa;
}
