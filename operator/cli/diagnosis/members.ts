import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { type Member, membersOf, rosterOf } from '../../nodeconfig/roster.ts';
import type { Facts } from './facts.ts';
import { observedOf } from './observed-of.ts';

/** A node as the operator has it in a peering; undefined where the peering does not select it. */
export function memberOf(facts: Facts, peering: IpsecPeering, name: string): Member | undefined {
  return membersOf(peering, rosterIn(facts)).members.find(({ node }) => node.name === name);
}

/** A walk over a thousand peers needs it two thousand times. */
function rosterIn(facts: Facts): ReturnType<typeof rosterOf> {
  const made = rosters.get(facts) ?? rosterOf(observedOf(facts));
  rosters.set(facts, made);
  return made;
}

const rosters = new WeakMap<Facts, ReturnType<typeof rosterOf>>();
