import type { NodePeering } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { MAX_PEERINGS, MAX_PRIORITY } from '../api/limits.ts';
import type { Draft } from './draft.ts';
import { isFinal, nextEnforcement, type Told } from './enforcement.ts';
import { wantedExemptions } from './essential-exemptions.ts';
import { areSettled, nextExemptions } from './exemptions.ts';
import { inheritedEntry, nodePeeringOf } from './node-configs.ts';
import type { Gone, Moment, Observed } from './observed.ts';
import { shareTraffic } from './overlap.ts';
import { isPending } from './pending.ts';
import { comparePrecedence } from './precedence.ts';
import type { KnownNode, Member } from './roster.ts';
import { certificatesThere, withUsableSecret } from './secret-change.ts';
import { toldEnforcement, writtenEnforcements } from './told-enforcement.ts';

/** What each node is told of each peering, by the node's name. */
export type Entries = ReadonlyMap<string, readonly NodePeering[]>;

/** New entries of accepted peerings, and those of before that nothing speaks against. */
export function entriesOf(
  drafts: readonly Draft[],
  roster: readonly KnownNode[],
  observed: Observed,
  at: Moment,
): Entries {
  const fresh = new Map<string, Map<string, NodePeering>>(roster.map(({ name }) => [name, new Map()]));
  const there = certificatesThere(observed);
  for (const draft of drafts) {
    if (draft.acceptance.status !== 'True') continue;
    const { enforcement: wanted } = draft.peering.spec;
    const told = toldOf(draft, observed, at);
    const { exemptions: exempt, leftOut } = wantedExemptions(draft, observed);
    const enforcement = nextEnforcement(wanted, {
      told,
      written: writtenEnforcements(draft),
      before: toldEnforcement(draft, observed),
      allKnown: draft.members.every(({ node }) => node.unreadable === undefined),
      wasInForce: isInForce(draft.peering),
      exemptions: leftOut.length === 0 && areSettled(exempt, told),
    });
    const exemptions = nextExemptions(exempt, told, enforcement);
    for (const member of draft.members.filter(({ obstacle }) => obstacle === undefined)) {
      const wanted = nodePeeringOf(draft.peering, member, enforcement, exemptions);
      const entry = withUsableSecret(wanted, ownEntry(member, wanted.name), there);
      fresh.get(member.node.name)?.set(entry.name, entry);
    }
  }
  const kept = keptEntries(drafts, roster, observed.gone, fresh);
  return new Map(
    roster.map(({ name }) => {
      const all = [...(fresh.get(name)?.values() ?? []), ...(kept.get(name) ?? [])];
      // Of what is only kept there may be too many, too: the least important are left out.
      return [name, all.sort(comparePrecedence).slice(0, MAX_PEERINGS)] as const;
    }),
  );
}

/** Entries of before that are not made anew and stay, by the node's name; `fresh` are those that are. */
export function keptEntries(
  drafts: readonly Draft[],
  roster: readonly KnownNode[],
  gone: Gone,
  fresh: ReadonlyMap<string, ReadonlyMap<string, NodePeering>> = new Map(),
): Entries {
  const judgements = new Map(drafts.map((draft) => [draft.peering.metadata.name, judgementOf(draft)]));
  return new Map(
    roster.map((node) => {
      const own = [...(fresh.get(node.name)?.values() ?? [])];
      const kept = present(node).flatMap(
        (entry) => keptEntry(node, entry, judgements.get(entry.name), gone, own) ?? [],
      );
      return [node.name, kept];
    }),
  );
}

/**
 * Names of nodes that a peering selects and requires to encrypt, and that are told nothing of it: something is in the way,
 * on the node or in the peering. Whether it ever goes away cannot be known.
 */
export function untoldNodes(drafts: readonly Draft[], entries: Entries): ReadonlySet<string> {
  return new Set(
    drafts
      // A permissive one allows plaintext; all traffic of one that is overlapped is that of the winner.
      .filter(
        ({ peering, acceptance }) => peering.spec.enforcement === 'Required' && acceptance.reason !== 'Overlapped',
      )
      .flatMap(({ peering, members }) => {
        const isTold = (name: string): boolean =>
          (entries.get(name) ?? []).some((entry) => entry.name === peering.metadata.name);
        return members.map(({ node }) => node.name).filter((name) => !isTold(name));
      }),
  );
}

/** The entry of a member as it stands in its IPsecNodeConfig. */
export function writtenEntry({ node }: Member, peering: string): NodePeering | undefined {
  return present(node).find(({ name }) => name === peering);
}

/** The same, unless it was written for the node that had this name before: it names that one's Secret. */
export function ownEntry(member: Member, peering: string): NodePeering | undefined {
  return isOwn(member.node) ? writtenEntry(member, peering) : undefined;
}

function toldOf({ peering, members }: Draft, { since }: Observed, at: Moment): readonly Told[] {
  return members.flatMap((member): readonly Told[] => {
    const entry = writtenEntry(member, peering.metadata.name);
    // Who has just joined must not hold up all others.
    if (entry === undefined || member.obstacle !== undefined || isPending(since, [member.node.uid], at)) return [];
    return [{ node: member.node, entry }];
  });
}

/** Whether, as its status says, every node has done all that the peering wants. */
function isInForce({ metadata, status }: IpsecPeering): boolean {
  const programmed = status?.conditions?.find(({ type }) => type === 'Programmed');
  if (programmed === undefined || programmed.observedGeneration !== metadata.generation) return false;
  return programmed.status === 'True' || BEYOND_ENFORCEMENT.has(programmed.reason);
}

/** Why a peering is not Programmed although all that it wants to be enforced is. */
const BEYOND_ENFORCEMENT: ReadonlySet<string> = new Set(['ServersNotExempt', 'NetworksClaimed', 'SegmentsNotClamped']);

interface Judgement {
  readonly peering: IpsecPeering;
  readonly accepted: boolean;
  readonly selected: ReadonlySet<string>;
  readonly obstructed: ReadonlySet<string>;
}

function judgementOf({ peering, acceptance, members }: Draft): Judgement {
  // Where a node has no room for the peering, what it had of it goes as well.
  const obstructed = members.filter(({ obstacle }) => obstacle !== undefined && obstacle.reason !== 'TooManyPeerings');
  return {
    peering,
    accepted: acceptance.status === 'True',
    selected: new Set(members.map(({ node }) => node.name)),
    obstructed: new Set(obstructed.map(({ node }) => node.name)),
  };
}

/** What is kept of an entry that was not made anew: only what is known to be otherwise takes it away. */
function keptEntry(
  node: KnownNode,
  entry: NodePeering,
  judgement: Judgement | undefined,
  gone: Gone,
  fresh: readonly NodePeering[],
): NodePeering | undefined {
  if (judgement === undefined) {
    const isGone = gone.peerings.has(entry.name);
    if (!isOwn(node)) return isGone ? undefined : inheritedEntry(entry, undefined, node);
    if (!isGone) return entry;
    return awaitsSuccessor(entry, fresh) ? { ...entry, priority: LEAST_PRIORITY } : undefined;
  }
  const { peering, accepted, selected, obstructed } = judgement;
  if (accepted && !obstructed.has(node.name)) return undefined;
  if (isOwn(node)) return entry;
  // A Node that was made anew may lack addresses at first, while its agent has everything that it had.
  return selected.has(node.name) ? inheritedEntry(entry, peering, node) : undefined;
}

/**
 * Whether what a deleted peering enforces is to be enforced by another one, which does not yet: that one had no part in the
 * traffic as long as the other won, and would begin with it in plaintext.
 */
function awaitsSuccessor(entry: NodePeering, others: readonly NodePeering[]): boolean {
  if (entry.enforcement.outbound !== 'Required') return false;
  return others.some(
    (other) =>
      other.finalEnforcement === 'Required' && !isFinal('Required', other.enforcement) && shareTraffic(entry, other),
  );
}

/** Whether the IPsecNodeConfig is not that of a node that had this name before. */
function isOwn({ config, uid }: KnownNode): boolean {
  return config?.spec.nodeUID === uid;
}

function present({ config }: KnownNode): readonly NodePeering[] {
  return config?.spec.peerings ?? [];
}

/** Whoever takes over from a deleted peering says how packets are protected. */
const LEAST_PRIORITY = -MAX_PRIORITY;
