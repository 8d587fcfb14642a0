import type { Bench, BenchResult } from './bench.ts';
import { ESP_PROPOSAL, IKE_PROPOSAL } from './connections.ts';
import type { MemoryReading } from './memory-reading.ts';
import { readInOwnProcess } from './own-process.ts';

/** What an established IKE SA with its Child SA and its connection keeps in memory, for each of its two ends. */
export const memoryBench: Bench = {
  name: 'memory',
  summary: 'heap and resident memory per established IKE SA with a Child SA, per end',
  run: (_extent, progress) => {
    progress(`establishing ${IKE_SAS} IKE SAs in a process of its own`);
    const readings = readInOwnProcess<MemoryReadings>({
      program: new URL('./memory-process.ts', import.meta.url),
      words: [String(IKE_SAS)],
      nodeFlags: ['--expose-gc'],
      timeoutMs: TIMEOUT_MS,
    });
    return [memoryResult(IKE_SAS, readings)];
  },
};

/** What was read at three moments. */
export interface MemoryReadings {
  /** Before the connections were there. */
  readonly empty: MemoryReading;
  /** With the connections, before their IKE SAs. */
  readonly configured: MemoryReading;
  readonly established: MemoryReading;
}

/** The figures per end. */
export function memoryResult(ikeSas: number, readings: MemoryReadings): BenchResult {
  const { empty, configured, established } = readings;
  const perEnd = (bytes: number): number => bytes / (2 * ikeSas);
  return {
    bench: 'memory',
    parameters: { provider: 'openssl', ike: IKE_PROPOSAL, esp: ESP_PROPOSAL, ikeSas, ends: 2 },
    figures: {
      bytesPerIkeSa: perEnd(established.heapBytes + established.externalBytes - empty.heapBytes - empty.externalBytes),
      heapBytesPerIkeSa: perEnd(established.heapBytes - empty.heapBytes),
      externalBytesPerIkeSa: perEnd(established.externalBytes - empty.externalBytes),
      rssBytesPerIkeSa: perEnd(established.rssBytes - empty.rssBytes),
      heapBytesPerConnection: perEnd(configured.heapBytes - empty.heapBytes),
    },
    targets: [
      { figure: 'bytesPerIkeSa', bound: 'atMost', limit: 12_000 },
      { figure: 'rssBytesPerIkeSa', bound: 'atMost', limit: 12_000 },
    ],
  };
}

/** With fewer, the pages that allocators keep in reserve would count for more than what is in use. */
const IKE_SAS = 10_000;
const TIMEOUT_MS = 120_000;
