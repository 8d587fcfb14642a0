import type { Machine } from '../topology/lab-node.ts';

/** Counters of /proc/net/xfrm_stat by name, such as XfrmInNoStates. */
export type XfrmStat = ReadonlyMap<string, number>;

/** Reads a node's counters: every packet that IPsec dropped there, by reason. */
export async function readXfrmStat(node: Machine): Promise<XfrmStat> {
  return parseXfrmStat(await node.succeed(['cat', '/proc/net/xfrm_stat']));
}

/** Parses the text of /proc/net/xfrm_stat. */
export function parseXfrmStat(text: string): XfrmStat {
  return new Map([...text.matchAll(/^(\w+)\s+(\d+)$/gm)].map((match) => [match[1] ?? '', Number(match[2])] as const));
}

/** The counters that changed, with the amount. */
export function xfrmStatChange(before: XfrmStat, after: XfrmStat): Readonly<Record<string, number>> {
  const changes = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

/**
 * Throws unless IPsec on the node dropped nothing since the reading, with the exception of the named counters, and of so
 * many ICMP errors: that nobody listens to IKE there, a host says in plaintext, which a required policy takes in from
 * nobody.
 */
export async function expectNoXfrmDrops(
  node: Machine,
  before: XfrmStat,
  allowed: readonly string[] = [],
  icmpErrors = 0,
): Promise<void> {
  const changes = Object.entries(xfrmStatChange(before, await readXfrmStat(node)));
  const isIcmpError = (name: string, count: number) => name === 'XfrmInTmplMismatch' && count <= icmpErrors;
  const unexpected = changes.filter(([name, count]) => !allowed.includes(name) && !isIcmpError(name, count));
  if (unexpected.length > 0) {
    throw new Error(`IPsec on ${node.name} dropped packets: ${unexpected.map((pair) => pair.join(' ')).join(', ')}`);
  }
}
