import type { Moment } from '../../nodeconfig/observed.ts';
import type { Facts } from './facts.ts';

/** When facts were gathered, as the operator's plan takes a moment. */
export function momentOf({ atMs }: Facts): Moment {
  return { milliseconds: atMs, timestamp: new Date(atMs).toISOString() };
}
