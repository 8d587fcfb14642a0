import type { Condition } from '../api/condition.ts';

/** Something that happened to a peering, for its Events. */
export interface Transition {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
}

/**
 * What is worth an Event between two states of conditions: a status that changed, or why one does not hold. `Ready` only
 * repeats one of the others, except that it came to hold.
 */
export function transitionsOf(before: readonly Condition[], after: readonly Condition[]): readonly Transition[] {
  return after.flatMap(({ type, status, reason, message }): readonly Transition[] => {
    const previous = before.find((condition) => condition.type === type);
    if (previous?.status === status && (status === 'True' || previous.reason === reason)) return [];
    if (type === 'Ready' && status !== 'True') return [];
    // Before it was ever judged, what is on its way is no news.
    if (status === 'Unknown' && previous === undefined) return [];
    const note = `${type} is ${status}: ${message}`.slice(0, MAX_NOTE);
    return [{ type: status === 'False' ? 'Warning' : 'Normal', reason: reason.slice(0, MAX_EVENT_REASON), note }];
  });
}

/** As Kubernetes limits Events. */
const MAX_NOTE = 1_024;
const MAX_EVENT_REASON = 128;
