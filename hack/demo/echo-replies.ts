import type { Machine } from '../lab/topology/lab-node.ts';

/**
 * Echo replies that have come to a node, of both families, by its kernel's count. Ping's own count misses those that come
 * when it waits no more, as where a machine is so busy that the guest stands still for seconds: they are late, not lost.
 */
export async function readEchoReplies(node: Machine): Promise<number> {
  return parseEchoReplies(await node.succeed(['cat', '/proc/net/snmp', '/proc/net/snmp6']));
}

/** Reads the text of /proc/net/snmp and /proc/net/snmp6. */
export function parseEchoReplies(text: string): number {
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith('Icmp: '))
    .map((line) => line.split(' '));
  const ipv4 = values?.[names?.indexOf('InEchoReps') ?? -1];
  const ipv6 = /^Icmp6InEchoReplies\s+(\d+)$/m.exec(text)?.[1];
  if (ipv4 === undefined || ipv6 === undefined) throw new Error('the kernel does not count echo replies');
  return Number(ipv4) + Number(ipv6);
}
