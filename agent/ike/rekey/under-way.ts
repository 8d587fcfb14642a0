import type { ChildSa } from '../child/child-sa.ts';
import { isAboutToEnd, isToBeDeleted } from '../child/ending.ts';
import { compareBytes } from '../negotiation/byte-order.ts';
import type { Deleting, Established, IkeSa, QueuedRequest, Rekeyed } from '../state.ts';
import type { OwnOperation, Target } from './collision.ts';

/** What we have under way on an IKE SA, as the table of collisions sees it (`collision.ts`). */
export function ownOperation(sa: IkeSa, state: Established | Rekeyed | Deleting): OwnOperation {
  if (state.kind === 'rekeyed') return 'rekeyedIkeSa';
  if (state.kind === 'deleting' || isAboutToEnd(sa)) return 'deleteIkeSa';
  return state.asked?.kind ?? 'none';
}

/** How the Child SA that the peer sends to with this SPI stands to what we have under way. */
export function targetOf(sa: IkeSa, state: Established, outboundSpi: number): Target {
  const { asked, children } = state;
  const child = children.find((each) => each.outboundSpi === outboundSpi);
  if (child === undefined && asked?.kind === 'deleteChild' && asked.outboundSpi === outboundSpi) return 'same';
  if (child === undefined) return sa.queue.some((request) => deletes(request, outboundSpi)) ? 'leaving' : 'unknown';
  if (isReplaced(children, child) || isToBeDeleted(sa, child.inboundSpi)) return 'leaving';
  return asked?.kind === 'rekeyChild' && asked.rekeyed.inboundSpi === child.inboundSpi ? 'same' : 'other';
}

/** One that the peer is still to be told of may be gone here already. */
function deletes(request: QueuedRequest, outboundSpi: number): boolean {
  return request.kind === 'deleteChild' && request.outboundSpi === outboundSpi;
}

/** Whether another pair has taken the place of this one, or is about to. */
export function isReplaced(children: readonly ChildSa[], child: ChildSa): boolean {
  return child.usage === 'superseded' || children.some(({ rekeys }) => rekeys?.inboundSpi === child.inboundSpi);
}

/** The pair of the other one of two rekeys that crossed. */
export function rivalOf(children: readonly ChildSa[], child: ChildSa): ChildSa | undefined {
  const { rekeys } = child;
  return children.find((other) => {
    return other !== child && rekeys !== undefined && other.rekeys?.inboundSpi === rekeys.inboundSpi;
  });
}

/**
 * Whether one of these pairs has come of a rekey of the same pair that crossed, and the lowest of all four nonces stands in
 * this exchange: both ends let go of what it has made (RFC 7296 §2.8.1).
 */
export function isRedundant(children: readonly ChildSa[], rekeys: ChildSa['rekeys']): boolean {
  if (rekeys === undefined) return false;
  return children.some(({ rekeys: other }) => {
    return other?.inboundSpi === rekeys.inboundSpi && compareBytes(rekeys.lowestNonce, other.lowestNonce) < 0;
  });
}
