/** How much is measured: `quick` is for a look, `full` for figures that are written down. */
export type Extent = 'quick' | 'full';

/** Told while a bench runs what it is doing. */
export type Progress = (doing: string) => void;

/** A figure that was promised. */
export interface Target {
  /** Name of one of the figures of the same result. */
  readonly figure: string;
  readonly bound: 'atLeast' | 'atMost';
  readonly limit: number;
  /** What we would like; absent where the limit is all that is wanted. */
  readonly aim?: number;
}

/** What one run of a bench came to: one line of the JSON output. */
export interface BenchResult {
  readonly bench: string;
  /** What was measured, and how much of it. */
  readonly parameters: Readonly<Record<string, string | number>>;
  /** What came out; the unit is part of the name. */
  readonly figures: Readonly<Record<string, number>>;
  readonly targets: readonly Target[];
  /** What the figures are made of, in rows of the same columns. */
  readonly parts?: {
    readonly name: string;
    readonly rows: readonly Readonly<Record<string, string | number>>[];
  };
}

/** What only some benches ask for. */
export interface BenchOptions {
  /** Sizes of meshes. */
  readonly nodes: readonly number[] | undefined;
}

/** One of the measurements that `npm run bench` knows. */
export interface Bench {
  readonly name: string;
  readonly summary: string;
  /** Starts a Kubernetes, which may have to be built: only when it is named. */
  readonly needsCluster?: true;
  run(
    extent: Extent,
    progress: Progress,
    options: BenchOptions,
  ): readonly BenchResult[] | Promise<readonly BenchResult[]>;
}

/** Whether a promised figure was reached. */
export type Verdict = 'aim met' | 'met' | 'missed';

/** Judges one target of a result. A figure that is not there is a bug. */
export function verdict(result: BenchResult, target: Target): Verdict {
  const value = result.figures[target.figure];
  if (value === undefined) throw new Error(`${result.bench} has no figure ${target.figure}`);
  const reaches = (bound: number): boolean => (target.bound === 'atLeast' ? value >= bound : value <= bound);
  if (!reaches(target.limit)) return 'missed';
  return target.aim !== undefined && reaches(target.aim) ? 'aim met' : 'met';
}
