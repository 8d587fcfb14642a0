/** Which pairs of nodes are tried, and how many are left out. */
export interface ChosenPairs {
  readonly pairs: readonly (readonly [string, string])[];
  readonly leftOut: number;
}

/**
 * All pairs of the nodes, each once; those of one node, or one pair, where they are named. Of more nodes than are asked at a
 * time each is paired with those next to it, so that every node is tried.
 */
export function choosePairs(nodes: readonly string[], node: string | undefined, peer: string | undefined): ChosenPairs {
  if (node !== undefined) {
    const others = peer === undefined ? nodes.filter((each) => each !== node) : [peer];
    const chosen = others.slice(0, MAX_NODES - 1);
    return { pairs: chosen.map((other) => [node, other]), leftOut: others.length - chosen.length };
  }
  const asked = nodes.slice(0, MAX_NODES);
  const furthest = Math.min(Math.floor(asked.length / 2), MAX_NEIGHBOURS);
  const pairs = new Map<string, readonly [string, string]>();
  for (const [index, own] of asked.entries()) {
    for (let distance = 1; distance <= furthest; distance += 1) {
      const other = asked[(index + distance) % asked.length] ?? own;
      const pair = own < other ? ([own, other] as const) : ([other, own] as const);
      pairs.set(pair.join(' '), pair);
    }
  }
  const all = (nodes.length * Math.max(0, nodes.length - 1)) / 2;
  return { pairs: [...pairs.values()], leftOut: all - pairs.size };
}

/** All of them have to be at it at the same time. */
const MAX_NODES = 100;
/** Twice as many peers for each node. */
const MAX_NEIGHBOURS = 16;
