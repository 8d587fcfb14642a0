import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { type Member, membersOf, rosterOf } from '../../nodeconfig/roster.ts';
import type { Facts } from './facts.ts';
import { momentOf } from './moment.ts';
import { observedOf } from './observed-of.ts';

/** A node as the operator has it in a peering; undefined where the peering does not select it. */
export function memberOf(facts: Facts, peering: IpsecPeering, name: string): Member | undefined {
  const made = known.get(facts) ?? { roster: rosterOf(observedOf(facts), momentOf(facts)), members: new Map() };
  known.set(facts, made);
  const members = made.members.get(peering) ?? byName(membersOf(peering, made.roster).members);
  made.members.set(peering, members);
  return members.get(name);
}

function byName(members: readonly Member[]): ReadonlyMap<string, Member> {
  return new Map(members.map((member) => [member.node.name, member]));
}

/** Made once: a walk over a thousand peers asks two thousand times. */
const known = new WeakMap<
  Facts,
  {
    readonly roster: ReturnType<typeof rosterOf>;
    readonly members: Map<IpsecPeering, ReadonlyMap<string, Member>>;
  }
>();
