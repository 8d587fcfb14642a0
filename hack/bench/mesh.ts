import type { Bench, BenchResult, Extent } from './bench.ts';
import { IKE_PROPOSAL } from './connections.ts';
import type { MemoryReading } from './memory-reading.ts';
import { MESH_ESP_PROPOSAL } from './mesh-certificates.ts';
import { readInOwnProcess } from './own-process.ts';

/** What one node of a mesh costs. */
export const meshBench: Bench = {
  name: 'mesh',
  summary: 'one node of a mesh: processor time until all peers are there, for an hour at rest, for a rekey of all',
  run: (extent, progress, { nodes }) =>
    (nodes ?? NODES[extent]).map((count) => {
      progress(`${count} nodes in a process of its own`);
      const readings = readInOwnProcess<MeshReadings>({
        program: new URL('./mesh-process.ts', import.meta.url),
        words: [String(count)],
        nodeFlags: ['--expose-gc'],
        onOneProcessor: true,
        timeoutMs: TIMEOUT_MS,
      });
      return meshResult(count, readings);
    }),
};

/** What was read in a process with meshes of one size, one node of each: sums over all of them. */
export interface MeshReadings {
  readonly meshes: number;
  readonly before: MemoryReading;
  readonly established: MemoryReading;
  /** Of the nodes alone. */
  readonly cpuSeconds: {
    readonly establishing: number;
    readonly resting: number;
    readonly rekeyingChildSas: number;
    readonly rekeyingIkeSas: number;
  };
  readonly longestTurnSeconds: number;
  readonly livenessChecks: number;
}

/** The figures of one node among `nodes`. */
export function meshResult(nodes: number, readings: MeshReadings): BenchResult {
  const { meshes, before, established, cpuSeconds, longestTurnSeconds, livenessChecks } = readings;
  const { establishing, resting, rekeyingChildSas, rekeyingIkeSas } = cpuSeconds;
  const peers = meshes * (nodes - 1);
  const perPeer = (seconds: number): number => (seconds * 1e6) / peers;
  const bytes = ({ heapBytes, externalBytes }: MemoryReading): number => heapBytes + externalBytes;
  return {
    bench: 'mesh',
    parameters: { nodes, meshes, provider: 'openssl', ike: IKE_PROPOSAL, esp: MESH_ESP_PROPOSAL, proof: 'ecdsaP256' },
    figures: {
      establishCpuSeconds: establishing / meshes,
      restHourCpuSeconds: resting / meshes,
      rekeyCpuSeconds: (rekeyingChildSas + rekeyingIkeSas) / meshes,
      establishMicrosecondsPerPeer: perPeer(establishing),
      restHourMicrosecondsPerPeer: perPeer(resting),
      childRekeyMicrosecondsPerPeer: perPeer(rekeyingChildSas),
      ikeRekeyMicrosecondsPerPeer: perPeer(rekeyingIkeSas),
      longestTurnMilliseconds: longestTurnSeconds * 1e3,
      livenessChecks: livenessChecks / meshes,
      bytesPerPeerAndEnd: (bytes(established) - bytes(before)) / (2 * peers),
    },
    targets: nodes === 1_000 ? TARGETS : [],
  };
}

const TARGETS: BenchResult['targets'] = [
  { figure: 'establishCpuSeconds', bound: 'atMost', limit: 2 },
  { figure: 'restHourCpuSeconds', bound: 'atMost', limit: 3 },
  { figure: 'rekeyCpuSeconds', bound: 'atMost', limit: 2 },
];
/** What a peer costs must not depend on how many there are. */
const NODES: Readonly<Record<Extent, readonly number[]>> = { quick: [1_000], full: [10, 100, 1_000, 3_000] };
const TIMEOUT_MS = 600_000;
