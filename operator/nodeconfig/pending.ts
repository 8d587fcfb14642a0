import type { Moment } from './observed.ts';

/** Whether any of the objects came to be less than a minute ago, or the time that is given. */
export function isPending(
  since: ReadonlyMap<string, number>,
  uids: readonly string[],
  at: Moment,
  withinMs = PENDING_MS,
): boolean {
  return uids.some((uid) => at.milliseconds - (since.get(uid) ?? Number.NEGATIVE_INFINITY) < withinMs);
}

/** Time for a certificate, an agent and the first handshakes. */
export const PENDING_MS = 60_000;
/** An agent that has nothing urgent to tell writes its status at least so often, ten minutes at most, and it may be busy. */
export const ROUTINE_WRITE_MS = 720_000;
