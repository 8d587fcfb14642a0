import { availableParallelism, cpus } from 'node:os';

/** Where figures come from; without it they mean nothing. */
export interface Machine {
  readonly processor: string;
  /** Processors that this process may use; they may be threads of one core, and others may use them too. */
  readonly processors: number;
  readonly node: string;
  readonly openssl: string;
  readonly platform: string;
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    processors: availableParallelism(),
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'none',
    platform: `${process.platform}-${process.arch}`,
  };
}
