import { expect } from 'vitest';

import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { readXfrmStat, type XfrmStat, xfrmStatChange } from '../hack/lab/xfrm/xfrm-stat.ts';

/** What IPsec on a node has dropped, and what the node has answered to senders whose packets were too long. */
export interface AnsweredDrops {
  readonly drops: XfrmStat;
  readonly answers: number;
}

/**
 * Has a node count what it answers to senders whose packets are too long for a tunnel: "fragmentation needed" and "packet
 * too big", upon which they send shorter ones.
 */
export async function countTooLong(node: ClusterNode): Promise<void> {
  for (const [program, protocol, option, type] of ANSWERS) {
    const rule = `${program} -w -A ${CHAIN} -p ${protocol} ${option} ${type}`;
    await node.succeed(['sh', '-ec', `${program} -w -N ${CHAIN}; ${rule}; ${program} -w -I OUTPUT -j ${CHAIN}`]);
  }
}

/** Both counts of now, of a node that was told to count. */
export async function readAnsweredDrops(node: ClusterNode): Promise<AnsweredDrops> {
  return { drops: await readXfrmStat(node), answers: await answersOf(node) };
}

/**
 * Throws unless IPsec dropped nothing since but packets that were too long for a tunnel, each of which its sender was told
 * of: the kernel counts them as XfrmOutStateModeError. Tells how many they were.
 */
export async function expectAnsweredDrops(node: ClusterNode, before: AnsweredDrops): Promise<number> {
  const answered = (await answersOf(node)) - before.answers;
  const { XfrmOutStateModeError: tooLong = 0, ...others } = xfrmStatChange(before.drops, await readXfrmStat(node));
  expect(others, `what IPsec on ${node.name} dropped`).toEqual({});
  expect(tooLong, `packets that were too long on ${node.name}, of ${answered} answers`).toBeLessThanOrEqual(answered);
  return tooLong;
}

async function answersOf(node: ClusterNode): Promise<number> {
  let sum = 0;
  for (const [program] of ANSWERS) {
    // Below the name of the chain and the heads of its columns is the one rule, which begins with its packets.
    const listed = await node.succeed([program, '-w', '-nvxL', CHAIN]);
    const [packets] = listed.split('\n')[2]?.trim().split(/\s+/) ?? [];
    if (packets === undefined || !/^\d+$/.test(packets)) throw new Error(`${node.name} counts no answers: ${listed}`);
    sum += Number(packets);
  }
  return sum;
}

const CHAIN = 'TOO-LONG';
const ANSWERS = [
  ['iptables', 'icmp', '--icmp-type', 'fragmentation-needed'],
  ['ip6tables', 'icmpv6', '--icmpv6-type', 'packet-too-big'],
] as const;
