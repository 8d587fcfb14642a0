import type { Observed } from '../nodeconfig/observed.ts';
import { PENDING_MS } from '../nodeconfig/pending.ts';

/** When the next object stops being new, which is when the plan may come out otherwise although nothing changed. */
export function nextSettledAt({ since }: Observed, now: number): number | undefined {
  let next: number | undefined;
  for (const createdAt of since.values()) {
    const settledAt = createdAt + PENDING_MS;
    if (settledAt > now && (next === undefined || settledAt < next)) next = settledAt;
  }
  return next;
}
