import type { Bench, BenchResult, Extent } from './bench.ts';
import { IKE_PROPOSAL } from './connections.ts';
import { median } from './measure.ts';
import type { MemoryReading } from './memory-reading.ts';
import { readInOwnProcess } from './own-process.ts';

/** What a flood of IKE_SA_INIT costs an endpoint whose IKE SAs go on meanwhile. */
export const cookieBench: Bench = {
  name: 'cookie',
  summary: 'a flood of spoofed IKE_SA_INIT beside established IKE SAs: processor time and memory per datagram',
  run: (extent, progress) => {
    const packets = PACKETS[extent];
    progress(`offering ${packets} spoofed requests in a process of its own`);
    const readings = readInOwnProcess<FloodReadings>({
      program: new URL('./cookie-process.ts', import.meta.url),
      words: [String(packets)],
      nodeFlags: ['--expose-gc'],
      onOneProcessor: true,
      timeoutMs: TIMEOUT_MS,
    });
    return [cookieResult(packets, readings)];
  },
};

/** What was read in the flooded process. */
export interface FloodReadings {
  /** Established IKE SAs at the start. */
  readonly pairs: number;
  readonly packetBytes: number;
  readonly before: MemoryReading;
  /** After each tenth of the flood. */
  readonly tenths: readonly {
    readonly cpuSeconds: number;
    readonly memory: MemoryReading;
    readonly halfOpen: number;
  }[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What became of the established ones. */
  readonly established: number;
  readonly livenessChecks: number;
  readonly repetitions: number;
  readonly ended: number;
}

/** The figures of a flood of so many datagrams. */
export function cookieResult(packets: number, readings: FloodReadings): BenchResult {
  const { pairs, packetBytes, before, tenths, bytesIn, bytesOut } = readings;
  const perPacket = tenths.map(({ cpuSeconds }) => (cpuSeconds * 1e6) / (packets / tenths.length));
  const kept = tenths.map(({ memory }) => bytesOf(memory) - bytesOf(before));
  const half = Math.floor(tenths.length / 2);
  const [firstHalf, secondHalf] = [perPacket.slice(0, half), perPacket.slice(-half)];
  return {
    bench: 'cookie',
    parameters: { provider: 'openssl', ike: IKE_PROPOSAL, packets, packetBytes, establishedIkeSas: pairs },
    figures: {
      cpuMicrosecondsPerPacket: median(perPacket),
      packetsPerCpuSecond: 1e6 / median(perPacket),
      secondHalfToFirstHalf: median(secondHalf) / median(firstHalf),
      mostBytesKept: Math.max(...kept),
      bytesKeptAtTheEnd: kept.at(-1) ?? 0,
      mostHalfOpen: Math.max(...tenths.map(({ halfOpen }) => halfOpen)),
      bytesOutPerByteIn: bytesOut / bytesIn,
      establishedAtTheEnd: readings.established,
      livenessChecks: readings.livenessChecks,
      repeatedRequests: readings.repetitions,
      endedIkeSas: readings.ended,
    },
    targets: [
      { figure: 'secondHalfToFirstHalf', bound: 'atMost', limit: 1.3 },
      { figure: 'mostBytesKept', bound: 'atMost', limit: 2_000_000 },
      { figure: 'bytesOutPerByteIn', bound: 'atMost', limit: 1 },
      { figure: 'establishedAtTheEnd', bound: 'atLeast', limit: pairs },
      { figure: 'repeatedRequests', bound: 'atMost', limit: 0 },
      { figure: 'endedIkeSas', bound: 'atMost', limit: 0 },
    ],
    parts: {
      name: 'tenths',
      rows: tenths.map(({ memory, halfOpen }, index) => ({
        packets: ((index + 1) * packets) / tenths.length,
        cpuMicrosecondsPerPacket: perPacket[index] ?? 0,
        bytesKept: kept[index] ?? 0,
        rssBytes: memory.rssBytes,
        halfOpen,
      })),
    },
  };
}

function bytesOf({ heapBytes, externalBytes }: MemoryReading): number {
  return heapBytes + externalBytes;
}

const PACKETS: Readonly<Record<Extent, number>> = { quick: 20_000, full: 100_000 };
const TIMEOUT_MS = 120_000;
