import type { Machine } from '../lab/topology/lab-node.ts';
import { readXfrmStat, xfrmStatChange } from '../lab/xfrm/xfrm-stat.ts';

/** What IPsec dropped on a node, by the kernel's reason. */
export interface Drops {
  readonly node: string;
  readonly reason: string;
  readonly packets: number;
}

/** Reads the drop counters of all nodes; `since` tells what has been added. */
export async function readDrops(nodes: readonly Machine[]): Promise<{ since(): Promise<readonly Drops[]> }> {
  const before = await Promise.all(nodes.map(async (node) => [node, await readXfrmStat(node)] as const));
  return {
    since: async () => {
      const each = before.map(async ([node, counters]) => {
        const changes = Object.entries(xfrmStatChange(counters, await readXfrmStat(node)));
        return changes.map(([reason, packets]) => ({ node: node.name, reason, packets }));
      });
      return (await Promise.all(each)).flat();
    },
  };
}
