import type { Moment } from './observed.ts';

/** Whether any of the objects came to be less than a minute ago. */
export function isPending(since: ReadonlyMap<string, number>, uids: readonly string[], at: Moment): boolean {
  return uids.some((uid) => at.milliseconds - (since.get(uid) ?? Number.NEGATIVE_INFINITY) < PENDING_MS);
}

/** Time for a certificate, an agent and the first handshakes. */
export const PENDING_MS = 60_000;
