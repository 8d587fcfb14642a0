import type { Condition } from '../api/condition.ts';
import { MAX_MESSAGE } from '../api/limits.ts';
import type { Verdict } from '../policies/verdict.ts';

/** Conditions made of verdicts; the time of the last change stays while the status does. */
export function conditionsOf(
  before: readonly Condition[],
  verdicts: Readonly<Record<string, Verdict>>,
  generation: number | undefined,
  timestamp: string,
): Condition[] {
  return Object.entries(verdicts).map(([type, { status, reason, message }]) => {
    const previous = before.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      lastTransitionTime: previous?.status === status ? previous.lastTransitionTime : timestamp,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}
