import { MAX_PEERINGS } from '../api/limits.ts';
import type { Draft } from './draft.ts';
import { type Entries, keptEntries } from './node-entries.ts';
import type { Gone } from './observed.ts';
import { comparePrecedence } from './precedence.ts';
import type { KnownNode, Member } from './roster.ts';

/** Names of peerings that are too many for a node, by the node's name. */
type LeftOut = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The same drafts, but that of more peerings than a node can be told of, those that came last have it in their way, and of
 * these those that win least: what a node takes part in stays, for its traffic would go in plaintext. A node that is not told
 * of one must not be told to its peers either.
 */
export function withinPeeringLimit(
  drafts: readonly Draft[],
  roster: readonly KnownNode[],
  gone: Gone,
): readonly Draft[] {
  if (countPeerings(drafts, roster) <= MAX_PEERINGS) return drafts;
  const leftOut = leftOutOf(drafts, roster, keptEntries(drafts, roster, gone));
  if (leftOut.size === 0) return drafts;
  return drafts.map((draft) => {
    if (draft.acceptance.status !== 'True') return draft;
    const { name } = draft.peering.metadata;
    const isLeftOut = ({ node }: Member): boolean => leftOut.get(node.name)?.has(name) === true;
    return {
      ...draft,
      members: draft.members.map((member) => (isLeftOut(member) ? withoutRoom(member) : member)),
    };
  });
}

/** How many a node can be told of at most: almost every cluster has room for all, and nothing else needs to be looked at. */
function countPeerings(drafts: readonly Draft[], roster: readonly KnownNode[]): number {
  const names = new Set(drafts.map(({ peering }) => peering.metadata.name));
  for (const { config } of roster) for (const { name } of config?.spec.peerings ?? []) names.add(name);
  return names.size;
}

function leftOutOf(drafts: readonly Draft[], roster: readonly KnownNode[], kept: Entries): LeftOut {
  const ranks = new Map([...kept].map(([node, entries]) => [node, [...entries].map(rankOf)]));
  for (const { peering, members, acceptance } of drafts) {
    if (acceptance.status !== 'True') continue;
    const rank = { name: peering.metadata.name, priority: peering.spec.priority };
    for (const { node, obstacle } of members) if (obstacle === undefined) ranks.get(node.name)?.push(rank);
  }
  const crowded = roster.filter(({ name }) => (ranks.get(name)?.length ?? 0) > MAX_PEERINGS);
  return new Map(crowded.map((node) => [node.name, new Set(lastOf(ranks.get(node.name) ?? [], node))]));
}

/** The names of those of the peerings of a node that are too many. */
function lastOf(ranks: readonly Rank[], { config }: KnownNode): readonly string[] {
  const told = new Set(config?.spec.peerings.map(({ name }) => name));
  return ranks
    .toSorted(
      (one, other) => Number(told.has(other.name)) - Number(told.has(one.name)) || comparePrecedence(one, other),
    )
    .slice(MAX_PEERINGS)
    .map(({ name }) => name);
}

interface Rank {
  readonly name: string;
  readonly priority: number;
}

function rankOf({ name, priority }: Rank): Rank {
  return { name, priority };
}

function withoutRoom({ node }: Member): Member {
  return { node, addresses: [], obstacle: TOO_MANY, shortfall: undefined };
}

const TOO_MANY = {
  reason: 'TooManyPeerings',
  text: `takes part in ${MAX_PEERINGS} peerings already, and has no room for more: narrow their nodes.selector`,
} as const;
