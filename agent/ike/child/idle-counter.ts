import type { Connection } from '../connection/connection.ts';
import type { Limits } from '../limits.ts';
import type { Instant } from '../types.ts';

/*
 * An inbound SA goes when its counter has stood still for a grace. What is known of the peer says when it should have
 * stopped sending; the counter shows whether it has. It is read a grace before the SA is to go and when it is to go; where
 * it has moved between, the SA stays for another grace, up to a limit and never beyond its lifetime in the kernel.
 */

/** How far an SA's counter has been watched. */
export interface CounterWatch {
  /** Packets that it had received when the kernel was asked last; undefined before the first answer. */
  readonly packets: number | undefined;
  /** Whether the kernel has been asked and not answered yet. */
  readonly asked: boolean;
  /** When it was first seen to move although the SA was to go; undefined where it has not. */
  readonly movingSince: Instant | undefined;
}

export type Retiring = Connection['retiring'][number];

export const UNKNOWN_COUNT: CounterWatch = { packets: undefined, asked: false, movingSince: undefined };

/** When something is to be done for an SA that retires; undefined until the peer has heard. */
export function retirementAt({ removeAt, count }: Retiring, limits: Limits): Instant | undefined {
  if (removeAt === undefined || count.packets !== undefined || count.asked) return removeAt;
  return removeAt - limits.supersededGraceMs;
}
