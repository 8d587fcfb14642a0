import { certificateDeadlines } from '../nodeconfig/certificate-times.ts';
import { FORMER_NETWORKS_MS } from '../nodeconfig/former-networks.ts';
import type { Observed } from '../nodeconfig/observed.ts';
import { PENDING_MS } from '../nodeconfig/pending.ts';

/**
 * When the plan may come out otherwise although nothing changed: the next object stops being new, the former networks of a
 * Node go, or the next certificate has ended or should have been renewed.
 */
export function nextDueAt(observed: Observed, now: number): number | undefined {
  let next: number | undefined;
  const take = (time: number): void => {
    if (time > now && (next === undefined || time < next)) next = time;
  };
  for (const createdAt of observed.since.values()) take(createdAt + PENDING_MS);
  for (const { metadata } of observed.nodes) take((observed.since.get(metadata.uid ?? '') ?? 0) + FORMER_NETWORKS_MS);
  // A certificate is good in the millisecond in which it ends.
  for (const deadline of certificateDeadlines(observed)) take(deadline + 1);
  return next;
}
