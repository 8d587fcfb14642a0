import type { CloseReason } from '../fact.ts';
import type { IkeSa, QueuedRequest } from '../state.ts';
import type { ChildSa } from './child-sa.ts';

/** A request that ends the IKE SA. */
export type EndingRequest = Extract<QueuedRequest, { kind: 'deleteIkeSa' | 'authenticationFailed' }>;

/** A request that ends something, Child SAs or the IKE SA with all of them. */
type DeletingRequest = EndingRequest | Extract<QueuedRequest, { kind: 'deleteChild' }>;

/** The request that ends a Child SA. */
export function deletionOf({ inboundSpi, outboundSpi }: ChildSa, reason: CloseReason): QueuedRequest {
  return { kind: 'deleteChild', inboundSpi, outboundSpi, reason };
}

/** Whether the IKE SA ends as soon as an open request has been answered: it takes on nothing new. */
export function isAboutToEnd(sa: IkeSa): boolean {
  return sa.queue.some(isEnding);
}

/** Whether a request ends the IKE SA. */
export function isEnding(request: QueuedRequest): request is EndingRequest {
  return request.kind === 'deleteIkeSa' || request.kind === 'authenticationFailed';
}

/** Whether a request ends something. */
export function isDelete(request: QueuedRequest): request is DeletingRequest {
  return isEnding(request) || request.kind === 'deleteChild';
}

/** Whether a Child SA of this IKE SA goes with one of the requests in line. */
export function isToBeDeleted(sa: IkeSa, inboundSpi: number): boolean {
  return sa.queue.some((request) => {
    return isEnding(request) || (request.kind === 'deleteChild' && request.inboundSpi === inboundSpi);
  });
}

/**
 * Whether a request ends what something else has taken the place of. Until it can be sent that may have gone itself, and
 * what was to end is all that is left.
 */
export function isOfUseUntilSent(request: QueuedRequest): boolean {
  return 'reason' in request && (request.reason === 'replaced' || request.reason === 'duplicate');
}
