import { type Claimant, lostClaims } from './claims.ts';
import type { Moment } from './observed.ts';
import { isPending } from './pending.ts';

/*
 * A Node that is registered again is given other pod CIDRs, while its pods go on with the addresses that they have: nobody
 * tells them otherwise. What they send must not be in plaintext from then on, so the networks of before are kept beside
 * the new ones, until another node is given them, or for a day.
 */

/** A node, its pod CIDRs, and those by which its peers know it. */
export interface Networks extends Omit<Claimant, 'networks'> {
  readonly uid: string;
  /** What is its own for certain. */
  readonly podCidrs: readonly string[];
  /** The newest first. */
  readonly known: ReadonlySet<string> | undefined;
}

/** The pod CIDRs that nodes had before they were registered again and that nobody else has now, by the node's name. */
export function formerPodCidrs(
  nodes: readonly Networks[],
  since: ReadonlyMap<string, number>,
  at: Moment,
): ReadonlyMap<string, readonly string[]> {
  const former = new Map<string, readonly string[]>();
  for (const { name, uid, podCidrs, known = NOTHING } of nodes) {
    if (!isPending(since, [uid], at, FORMER_NETWORKS_MS)) continue;
    const other = [...known].filter((cidr) => !podCidrs.includes(cidr));
    const most = Math.max(podCidrs.length, ONE_OF_EACH_FAMILY);
    if (other.length > 0) former.set(name, other.slice(0, most));
  }
  if (former.size === 0) return former;
  const lost = lostClaims(
    nodes.map(({ name, since: nodeSince, podCidrs }) => ({
      name,
      since: nodeSince,
      networks: [
        ...podCidrs.map((network) => ({ network, established: true })),
        ...(former.get(name) ?? []).map((network) => ({ network, established: false })),
      ],
    })),
  );
  const isLost = (name: string, cidr: string) => lost.get(name)?.some(({ network }) => network === cidr) === true;
  return new Map([...former].map(([name, cidrs]) => [name, cidrs.filter((cidr) => !isLost(name, cidr))]));
}

/** For so long a Node that was registered again keeps its former pod CIDRs: time to start its pods again. */
export const FORMER_NETWORKS_MS = 24 * 3_600_000;
const ONE_OF_EACH_FAMILY = 2;
const NOTHING: ReadonlySet<string> = new Set();
