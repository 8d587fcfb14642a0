import type { Bench, BenchResult, Extent, Progress } from './bench.ts';
import { IKE_PROPOSAL } from './connections.ts';
import { age, cpuSeconds, median } from './measure.ts';
import { MESH_ESP_PROPOSAL } from './mesh-certificates.ts';
import { MeshNode } from './mesh-node.ts';
import { readInOwnProcess } from './own-process.ts';

/** Rekeys of SAs that stand, from the kernel's warning to the end of what was replaced. */
export const rekeyBench: Bench = {
  name: 'rekey',
  summary: 'rekeys of Child SAs, with a key exchange, and of IKE SAs, both ends, per CPU-second',
  run: (extent) => [
    readInOwnProcess<BenchResult>({
      program: new URL('./rekey-process.ts', import.meta.url),
      words: [extent],
      onOneProcessor: true,
      timeoutMs: TIMEOUT_MS,
    }),
  ],
};

/** The bench's measurement, in this process. */
export function measureRekeys(extent: Extent, progress: Progress): BenchResult {
  const { warmUpRounds, rounds, pairs } = EXTENTS[extent];
  const run = new RekeyRun(pairs);
  progress('warming up');
  for (let round = 0; round < warmUpRounds; round += 1) run.warmUp();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`round ${round} of ${rounds}`);
    run.measureRound();
  }
  return run.result();
}

/** Measurement in rounds, in each of which every SA of a node with many peers is rekeyed. */
export class RekeyRun {
  readonly #pairs: number;
  readonly #node: MeshNode;
  readonly #childSeconds: number[] = [];
  readonly #ikeSeconds: number[] = [];

  constructor(pairs: number) {
    this.#pairs = pairs;
    this.#node = new MeshNode(pairs);
    this.#node.advance(ESTABLISHING_MS);
  }

  /** A round that does not count: the engine compiles what is hot. */
  warmUp(): void {
    this.#rekeyChildSas();
    this.#rekeyIkeSas();
  }

  measureRound(): void {
    this.#childSeconds.push(this.#rekeyChildSas());
    this.#ikeSeconds.push(this.#rekeyIkeSas());
  }

  /** Medians over the rounds. */
  result(): BenchResult {
    return {
      bench: 'rekey',
      parameters: {
        provider: 'openssl',
        ike: IKE_PROPOSAL,
        esp: MESH_ESP_PROPOSAL,
        rounds: this.#childSeconds.length,
        pairs: this.#pairs,
      },
      figures: {
        childRekeysPerCpuSecond: this.#pairs / median(this.#childSeconds),
        ikeRekeysPerCpuSecond: this.#pairs / median(this.#ikeSeconds),
      },
      targets: [],
    };
  }

  #rekeyChildSas(): number {
    return this.#timed('childSaRekeyed', () => this.#node.expireChildSas(SPREAD_MS));
  }

  #rekeyIkeSas(): number {
    return this.#timed('ikeSaRekeyed', () => this.#node.rekeyIkeSas(SPREAD_MS));
  }

  #timed(fact: 'childSaRekeyed' | 'ikeSaRekeyed', rekey: () => void): number {
    const before = this.#node.count(fact);
    age();
    const seconds = cpuSeconds(() => {
      rekey();
      this.#node.advance(GRACE_MS);
    });
    if (this.#node.count(fact) !== before + this.#pairs) throw new Error(`not every SA was rekeyed: ${fact}`);
    return seconds;
  }
}

const EXTENTS: Readonly<Record<Extent, { warmUpRounds: number; rounds: number; pairs: number }>> = {
  quick: { warmUpRounds: 6, rounds: 3, pairs: 200 },
  full: { warmUpRounds: 20, rounds: 11, pairs: 300 },
};
const ESTABLISHING_MS = 30_000;
const SPREAD_MS = 1_000;
/** Until what was replaced is gone at both ends. */
const GRACE_MS = 12_000;
const TIMEOUT_MS = 600_000;
