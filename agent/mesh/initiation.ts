import { compareIdentities } from '../ike/negotiation/identity.ts';
import type { ConnectionConfig, Identity } from '../ike/types.ts';

/** When a peering comes up, as people write it. */
export type WantedInitiation = 'Always' | 'OnDemand' | 'Never';

/**
 * Who of two begins. Both come to the same answer without a word: the lower identity begins, the other one waits for it
 * a while, then begins all the same.
 */
export function initiationBetween(
  own: Identity,
  peer: Identity,
  wanted: WantedInitiation,
): ConnectionConfig['initiation'] {
  if (wanted === 'Never') return 'respond';
  if (wanted === 'OnDemand') return 'onDemand';
  return compareIdentities(own, peer) < 0 ? 'start' : 'takeover';
}
