import { rangeOf } from '../api/ip-text.ts';

/** A node that says that networks are its own. */
export interface Claimant {
  readonly name: string;
  /** When the Node came to be, in milliseconds. */
  readonly since: number;
  readonly networks: readonly ClaimedNetwork[];
}

/** A network that a node says is its own. */
export interface ClaimedNetwork {
  /** Canonical; an address is a network of one. */
  readonly network: string;
  /**
   * Its peers know the node by this one already, so it was first. That they know it by another says nothing: a kubelet
   * writes what it likes into the status of its Node.
   */
  readonly established: boolean;
}

/** A network that a node claims and does not get. */
export interface LostClaim {
  readonly network: string;
  readonly owner: string;
}

/**
 * Whose networks are whose: where two overlap, the node that was first keeps its own and the other has none of it. First
 * is who is known to peers by that network already, then who is older, then whose name sorts first. Answers the claims
 * that were lost, by the name of the node, which keeps all others.
 */
export function lostClaims(claimants: readonly Claimant[]): ReadonlyMap<string, readonly LostClaim[]> {
  const claims = claimants
    .flatMap(({ name, since, networks }) => networks.map((each) => ({ name, since, ...each })))
    .toSorted(compareAssertions)
    .flatMap(({ network, name }, rank) => claimOf(network, name, rank) ?? []);
  const lost = new Map<string, LostClaim[]>();
  const lose = ({ network, name }: Claim, owner: string): void => {
    const mine = lost.get(name) ?? [];
    mine.push({ network, owner });
    lost.set(name, mine);
  };
  const rivals = overlapping(claims, lose);
  const losers = new Set<Claim>();
  for (const claim of claims.filter((each) => rivals.has(each))) {
    // Those of lower rank are settled before.
    const winner = rivals.get(claim)?.find((rival) => rival.rank < claim.rank && !losers.has(rival));
    if (winner === undefined) continue;
    losers.add(claim);
    lose(claim, winner.name);
  }
  return lost;
}

/** What one node says of one network. */
type Assertion = Omit<Claimant, 'networks'> & ClaimedNetwork;

/** One network of one node. */
interface Claim {
  readonly network: string;
  readonly name: string;
  /** Lower was first. */
  readonly rank: number;
  readonly first: string;
  readonly last: string;
}

function claimOf(network: string, name: string, rank: number): Claim | undefined {
  const range = rangeOf(network);
  return range === undefined ? undefined : { network, name, rank, ...range };
}

/**
 * Which claims of different nodes overlap, found in one pass over the sorted ranges, which nest. Of equal ranges only the
 * one of lowest rank goes on; the others are lost to it at once, so that a thousand nodes with one address cost no more.
 */
function overlapping(
  claims: readonly Claim[],
  lose: (claim: Claim, owner: string) => void,
): ReadonlyMap<Claim, readonly Claim[]> {
  const rivals = new Map<Claim, Claim[]>();
  const note = (one: Claim, other: Claim): void => {
    const known = rivals.get(one);
    if (known === undefined) rivals.set(one, [other]);
    else known.push(other);
  };
  const around: Claim[] = [];
  for (const claim of claims.toSorted(compareRanges)) {
    while (around.length > 0 && (around.at(-1) as Claim).last < claim.first) around.pop();
    const outer = around.at(-1);
    if (outer !== undefined && outer.first === claim.first && outer.last === claim.last) {
      if (outer.name !== claim.name) lose(claim, outer.name);
      continue;
    }
    for (const rival of around.filter(({ name }) => name !== claim.name)) {
      note(claim, rival);
      note(rival, claim);
    }
    around.push(claim);
  }
  return rivals;
}

function compareRanges(left: Claim, right: Claim): number {
  if (left.first !== right.first) return left.first < right.first ? -1 : 1;
  if (left.last !== right.last) return left.last > right.last ? -1 : 1;
  return left.rank - right.rank;
}

function compareAssertions(left: Assertion, right: Assertion): number {
  if (left.established !== right.established) return left.established ? -1 : 1;
  if (left.since !== right.since) return left.since - right.since;
  if (left.name === right.name) return 0;
  return left.name < right.name ? -1 : 1;
}
