import type { Machine } from '../topology/lab-node.ts';

/** Where a kernel counts packets that it drops for other reasons than IPsec, by names such as `UdpRcvbufErrors`. */
export type KernelDrops = ReadonlyMap<string, number>;

/** Reads a node's counters of lost packets: sockets, protocols, neighbours, processors, interfaces and their queues. */
export async function readKernelDrops(node: Machine): Promise<KernelDrops> {
  return parseKernelDrops(await node.succeed(['sh', '-c', SHOW]));
}

/** What was counted since, in words; empty where that is nothing. */
export function kernelDropsText(before: KernelDrops, after: KernelDrops): string {
  const changes = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return changes.flatMap(([name, change]) => (change === 0 ? [] : [`${name} ${change}`])).join(', ');
}

/** How many datagrams had arrived and found the buffer of their receiver full, by either family. */
export function fullBuffers(drops: KernelDrops): number {
  return ['UdpRcvbufErrors', 'Udp6RcvbufErrors'].reduce((sum, name) => {
    const count = drops.get(name);
    if (count === undefined) throw new Error(`this kernel shows no ${name}`);
    return sum + count;
  }, 0);
}

/** Parses what the counters' files and `ip` and `tc` show, one after the other. */
export function parseKernelDrops(text: string): KernelDrops {
  const sections = new Map(
    text.split(/^#/m).map((section) => {
      const end = section.indexOf('\n');
      return [section.slice(0, end), section.slice(end + 1)] as const;
    }),
  );
  const section = (name: string) => sections.get(name) ?? '';
  return new Map(
    [
      ...pairedLines(section('snmp')),
      ...namedValues(section('snmp6')),
      ...columns('Arp', section('arp_cache')),
      ...columns('Ndisc', section('ndisc_cache')),
      ...processors(section('softnet_stat')),
      ...interfaces(section('link')),
      ...queues(section('qdisc')),
    ].filter(([name]) => /Discards?$|Errors$|Fails$|NoRoutes$|drop|failed|discards/i.test(name)),
  );
}

type Named = readonly [string, number];

/** `Udp: Name Name` over `Udp: 1 2`, as /proc/net/snmp has it. */
function pairedLines(text: string): readonly Named[] {
  const lines = text.split('\n').map((line) => line.split(/:? +/));
  return lines.flatMap((names, index) => {
    const values = lines[index + 1] ?? [];
    if (names[0] !== values[0] || index % 2 === 1) return [];
    return names.slice(1).map((name, at) => [`${names[0]}${name}`, Number(values[at + 1])] as const);
  });
}

function namedValues(text: string): readonly Named[] {
  return [...text.matchAll(/^(\w+)\s+(\d+)$/gm)].map((match) => [match[1] ?? '', Number(match[2])] as const);
}

/** Names in the first line, hexadecimal values in those of the processors. */
function columns(prefix: string, text: string): readonly Named[] {
  const [names = [], ...rows] = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return names.map((name, at) => {
    const values = rows.map((row) => Number.parseInt(row[at] ?? '0', 16));
    return [`${prefix} ${name}`, values.reduce((sum, value) => sum + value, 0)] as const;
  });
}

/** Of each processor the second number is what its queue had no room for. */
function processors(text: string): readonly Named[] {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => Number.parseInt(line.split(/\s+/)[1] ?? '0', 16));
  return [['processor queues dropped', rows.reduce((sum, value) => sum + (value || 0), 0)]];
}

function interfaces(text: string): readonly Named[] {
  return parsed<LinkShown>(text).flatMap(({ ifname, stats64 }) =>
    (['rx', 'tx'] as const).map((way) => [`${ifname} ${way} dropped`, stats64?.[way]?.dropped ?? 0] as const),
  );
}

function queues(text: string): readonly Named[] {
  return parsed<QueueShown>(text).map(
    ({ dev, handle, drops }) => [`${dev} queue ${handle} drops`, drops ?? 0] as const,
  );
}

function parsed<T>(text: string): readonly T[] {
  return text.trim() === '' ? [] : (JSON.parse(text) as readonly T[]);
}

interface LinkShown {
  readonly ifname: string;
  readonly stats64?: Readonly<Record<'rx' | 'tx', { readonly dropped: number }>>;
}

interface QueueShown {
  readonly dev: string;
  readonly handle: string;
  readonly drops?: number;
}

const SHOW = `for name in snmp snmp6 stat/arp_cache stat/ndisc_cache softnet_stat; do
  echo "#\${name#stat/}"; cat /proc/net/$name
done
echo '#link'; ip -s -json link
echo '#qdisc'; tc -s -json qdisc`;
