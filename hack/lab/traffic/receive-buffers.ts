import { complete } from '../topology/completed.ts';
import type { Machine } from '../topology/lab-node.ts';

/**
 * Lets programs that count have receive buffers of megabytes, as far as this kernel lets us: in the default of 200 kB there
 * is room for a second of a stream, and a guest may pause for longer. A limit of all namespaces, which ends with the lab.
 */
export async function allowLargeReceiveBuffers(): Promise<void> {
  // Where the lab has a namespace in the host's own kernel, that does not let us.
  await complete(['sysctl', '-qw', `net.core.rmem_max=${BUFFER_BYTES}`]);
}

/** How many datagrams had arrived on a node and found the buffer of their receiver full. */
export async function fullBuffers(node: Machine): Promise<number> {
  const text = await node.succeed(['cat', '/proc/net/snmp', '/proc/net/snmp6']);
  return parseFullBuffers(text);
}

/** Parses /proc/net/snmp, which has a line of names above a line of numbers, and /proc/net/snmp6, which has both in each. */
export function parseFullBuffers(text: string): number {
  const [names = '', numbers = ''] = [...text.matchAll(/^Udp: (.*)$/gm)].map(([, line]) => line ?? '');
  const ipv4 = Number(numbers.split(' ')[names.split(' ').indexOf('RcvbufErrors')] ?? Number.NaN);
  const ipv6 = Number(/^Udp6RcvbufErrors\s+(\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(ipv4 + ipv6)) throw new Error(`no RcvbufErrors among:\n${text}`);
  return ipv4 + ipv6;
}

const BUFFER_BYTES = 16 * 1024 * 1024;
