import { readFile } from 'node:fs/promises';

/** The kernel's error counters of IPsec (Documentation/networking/xfrm_proc.rst), by name; none where it keeps none. */
export async function xfrmErrors(file = '/proc/net/xfrm_stat'): Promise<ReadonlyMap<string, number>> {
  try {
    return parseXfrmStat(await readFile(file, 'latin1'));
  } catch {
    // A kernel without CONFIG_XFRM_STATISTICS.
    return new Map();
  }
}

/** A name and a count a line. */
export function parseXfrmStat(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [, name = '', count] of text.matchAll(/^(Xfrm[A-Za-z0-9]{1,60})\s+([0-9]{1,20})$/gm)) {
    if (counts.size < MAX_COUNTERS) counts.set(name, Number(count));
  }
  return counts;
}

/** Linux 7.2 has 32. */
const MAX_COUNTERS = 128;
