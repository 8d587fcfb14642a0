import { nobleProvider } from '../../agent/crypto/noble/noble-provider.ts';
import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import type { CryptoProvider } from '../../agent/crypto/types.ts';
import { MemoryDataplane } from '../../agent/dataplane/memory.ts';
import type { Clock } from '../../agent/ports.ts';
import type { Bench, BenchResult, Extent, Progress, Target } from './bench.ts';
import { ESP_PROPOSAL, IKE_PROPOSAL } from './connections.ts';
import { age, collectYoung, cpuSeconds, median } from './measure.ts';
import { readInOwnProcess } from './own-process.ts';
import { primitiveCosts, sharesOfPrimitives, timePrimitives, timePrimitivesInLoops } from './primitive-sum.ts';
import { certificateProof, type Proof, preSharedKeyProof } from './proof.ts';
import { type Primitive, recordingProvider } from './record-primitives.ts';
import { type Execute, TwoEnds } from './two-ends.ts';

/** Complete handshakes by each kind of proof, and beside them the cryptography that nobody can save. */
export const handshakeBench: Bench = {
  name: 'handshake',
  summary: 'complete handshakes, both ends, per CPU-second, and their ratio to the crypto primitives in them',
  run: (extent) =>
    RUNS.map((_, index) =>
      readInOwnProcess<BenchResult>({
        program: new URL('./handshake-process.ts', import.meta.url),
        words: [extent, String(index)],
        onOneProcessor: true,
        timeoutMs: TIMEOUT_MS,
      }),
    ),
};

/** One of the bench's measurements, in this process. */
export function measureHandshakes(extent: Extent, index: number, progress: Progress): BenchResult {
  const measured = RUNS[index];
  if (measured === undefined) throw new Error(`there is no measurement ${index} of handshakes`);
  const { provider, proof, extents, targets } = measured;
  const { warmUpRounds, rounds, handshakes } = extents[extent];
  const run = new HandshakeRun(provider, proof, handshakes, targets);
  const what = `${provider.name}, ${proof().name}`;
  progress(`${what}: warming up`);
  for (let round = 0; round < warmUpRounds; round += 1) run.warmUp();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`${what}: round ${round} of ${rounds}`);
    run.measureRound();
  }
  return run.result();
}

/** Makes a proof; the function given hears of the primitives in it. */
type MakeProof = (note?: (primitive: Primitive) => void) => Proof;

/** The primitives of as many handshakes of `provider`, both ends, in the order in which they are computed. */
export function primitivesOfHandshakes(
  provider: CryptoProvider,
  handshakes: number,
  proof: MakeProof = () => preSharedKeyProof,
): readonly (readonly Primitive[])[] {
  let primitives: Primitive[] = [];
  const note = (each: Primitive): void => void primitives.push(each);
  const ends = new TwoEnds({ crypto: recordingProvider(provider, note), kernel, proof: proof(note) });
  ends.configure(0, handshakes);
  return Array.from({ length: handshakes }, (_, number) => {
    primitives = [];
    ends.establish(number);
    return primitives;
  });
}

/** One provider's measurement, in rounds of as many handshakes. */
export class HandshakeRun {
  readonly #provider: CryptoProvider;
  readonly #makeProof: MakeProof;
  readonly #proof: Proof;
  readonly #handshakes: number;
  readonly #targets: readonly Target[];
  readonly #wholeSeconds: number[] = [];
  readonly #inPlaceSeconds: number[] = [];
  /** For each round, what each primitive of a handshake takes in a loop of its own. */
  readonly #inLoops: (readonly number[])[] = [];

  constructor(provider: CryptoProvider, proof: MakeProof, handshakes: number, targets: readonly Target[]) {
    this.#provider = provider;
    this.#makeProof = proof;
    this.#proof = proof();
    this.#handshakes = handshakes;
    this.#targets = targets;
  }

  /** A round that does not count: the engine compiles what is hot. */
  warmUp(): void {
    this.#timeHandshakes();
    const recorded = this.#recordedPrimitives();
    timePrimitives(recorded);
    timePrimitivesInLoops(recorded[0] ?? [], this.#handshakes);
  }

  /** Measures handshakes, then the primitives of as many: what else the machine does meets both halves of the ratio. */
  measureRound(): void {
    this.#wholeSeconds.push(this.#timeHandshakes());
    const recorded = this.#recordedPrimitives();
    this.#inPlaceSeconds.push(timePrimitives(recorded));
    this.#inLoops.push(timePrimitivesInLoops(recorded[0] ?? [], this.#handshakes));
  }

  /** Medians over the rounds. */
  result(): BenchResult {
    const handshakes = this.#handshakes;
    const whole = median(this.#wholeSeconds);
    const inPlace = median(this.#inPlaceSeconds);
    const recorded = this.#recordedPrimitives();
    const perCallInPlace = sharesOfPrimitives(recorded).map((share) => (share * inPlace) / handshakes);
    const sums = this.#inLoops.map((perCall) => handshakes * sum(perCall));
    const inLoops = median(sums);
    const perCallInLoops = recorded[0]?.map((_, index) => median(this.#inLoops.map((perCall) => perCall[index] ?? 0)));
    return {
      bench: 'handshake',
      parameters: {
        provider: this.#provider.name,
        ike: IKE_PROPOSAL,
        esp: ESP_PROPOSAL,
        authentication: this.#proof.name,
        rounds: this.#wholeSeconds.length,
        handshakes,
      },
      figures: {
        handshakesPerCpuSecond: handshakes / whole,
        cpuSeconds: whole,
        primitivesSeconds: inLoops,
        ratioToPrimitives: whole / inLoops,
        fastestRoundRatioToPrimitives: Math.min(...this.#wholeSeconds) / Math.min(...sums),
        primitivesInPlaceSeconds: inPlace,
        ratioToPrimitivesInPlace: whole / inPlace,
      },
      targets: this.#targets,
      parts: {
        name: 'primitives',
        rows: primitiveCosts(recorded[0] ?? [], perCallInPlace, perCallInLoops ?? []).map((cost) => ({ ...cost })),
      },
    };
  }

  /** Of handshakes that were not measured, none of which has been computed again. */
  #recordedPrimitives(): readonly (readonly Primitive[])[] {
    const recorded = primitivesOfHandshakes(this.#provider, this.#handshakes, this.#makeProof);
    age();
    return recorded;
  }

  /** Processor time of handshakes between two new ends, each with another connection. */
  #timeHandshakes(): number {
    const ends = new TwoEnds({ crypto: this.#provider, kernel, proof: this.#proof });
    ends.configure(0, this.#handshakes);
    age();
    return cpuSeconds(() => {
      for (let number = 0; number < this.#handshakes; number += 1) ends.establish(number);
      collectYoung();
    });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function kernel(): Execute {
  const dataplane = new MemoryDataplane({ clock: STANDING });
  return (command) => dataplane.execute(command);
}

/** Time stands still in the kernels as it does for the two ends. */
const STANDING: Clock = { monotonicMs: () => 0, wallMs: () => 0 };

/** How often, and how many handshakes at a time. */
interface Rounds {
  readonly warmUpRounds: number;
  readonly rounds: number;
  readonly handshakes: number;
}

const OPENSSL_EXTENTS: Readonly<Record<Extent, Rounds>> = {
  // V8 goes on compiling for some ten thousand handshakes.
  quick: { warmUpRounds: 8, rounds: 3, handshakes: 400 },
  full: { warmUpRounds: 25, rounds: 15, handshakes: 400 },
};
const CERTIFICATE_EXTENTS: Readonly<Record<Extent, Rounds>> = {
  quick: { warmUpRounds: 5, rounds: 3, handshakes: 300 },
  full: { warmUpRounds: 35, rounds: 11, handshakes: 300 },
};
const RATIO: Target = { figure: 'ratioToPrimitives', bound: 'atMost', limit: 1.8, aim: 1.4 };

const RUNS: readonly {
  readonly provider: CryptoProvider;
  readonly proof: MakeProof;
  readonly extents: Readonly<Record<Extent, Rounds>>;
  readonly targets: readonly Target[];
}[] = [
  {
    provider: opensslProvider,
    proof: () => preSharedKeyProof,
    extents: OPENSSL_EXTENTS,
    targets: [
      RATIO,
      // strongSwan 6.0.6's load-tester, both ends in one process, on the two-core machine that the figures refer to.
      { figure: 'handshakesPerCpuSecond', bound: 'atLeast', limit: 1_080, aim: 1_620 },
    ],
  },
  {
    provider: opensslProvider,
    proof: (note) => certificateProof('ecdsaP256', note),
    extents: CERTIFICATE_EXTENTS,
    // The same load-tester with ECDSA certificates.
    targets: [RATIO, { figure: 'handshakesPerCpuSecond', bound: 'atLeast', limit: 303, aim: 606 }],
  },
  {
    provider: opensslProvider,
    proof: (note) => certificateProof('ed25519', note),
    extents: CERTIFICATE_EXTENTS,
    targets: [RATIO],
  },
  {
    provider: nobleProvider,
    proof: () => preSharedKeyProof,
    extents: {
      quick: { warmUpRounds: 2, rounds: 3, handshakes: 25 },
      full: { warmUpRounds: 4, rounds: 9, handshakes: 50 },
    },
    targets: [],
  },
];
const TIMEOUT_MS = 600_000;
