/** What a process uses, once it has let go of all garbage. */
export interface MemoryReading {
  /** JavaScript objects. */
  readonly heapBytes: number;
  /** What objects hold outside of the heap: contents of arrays, OpenSSL's structures as far as Node counts them. */
  readonly externalBytes: number;
  /** Resident pages, those that the allocators keep for later among them. */
  readonly rssBytes: number;
}

/** Collects garbage and reads; needs `--expose-gc`. */
export function readMemory(): MemoryReading {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('start Node with --expose-gc');
  // What one collection finds dead may be what kept something else alive.
  for (let count = 0; count < 4; count += 1) collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external, rssBytes: rss };
}
