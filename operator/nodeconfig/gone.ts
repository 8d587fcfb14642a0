import type { Gone, Moment } from './observed.ts';

/** Whether a Node has been known to be gone for so long that what it left is taken away. */
export function isLongGone(gone: Gone, uid: string, at: Moment): boolean {
  const since = gone.nodes.get(uid);
  return since !== undefined && at.milliseconds - since >= NODE_GRACE_MS;
}

/** A Node that was deleted by mistake, or registers again, is back by then. */
export const NODE_GRACE_MS = 5 * 60_000;
