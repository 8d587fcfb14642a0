/** Whether this pod is ready, as its probe asks. */
export interface Readiness {
  readonly ready: boolean;
  /** What it waits for, or does, as a sentence. */
  readonly text: string;
}

/** What decides it. */
export interface Progress {
  /** Who says what the node is to do, such as the API server. */
  readonly source: string;
  /** The agent before this one still runs. */
  readonly standby: boolean;
  /** Why it could not go on: the kernel lets it see no SAs and policies, or it has not asked yet; a sentence. */
  readonly kernelFailure: string | undefined;
  /** Why no agent runs although it should. */
  readonly startFailure: string | undefined;
  /** Why it must not begin, whoever says what; a sentence. */
  readonly lockFailure: string | undefined;
  /** What it lacks that keeps it from nothing at the moment; sentences. */
  readonly shortcomings: readonly string[];
  /** What the node is told is carried out. */
  readonly isCarriedOut: boolean;
  /** Why the IPsecNodeConfig that there is cannot be read. */
  readonly unreadable: string | undefined;
  /** There is an IPsecNodeConfig, of now or kept. */
  readonly isTold: boolean;
  /** It is known whether there is one. */
  readonly isAnswered: boolean;
  /** All that the peerings need was asked for and answered. */
  readonly isComplete: boolean;
}

/**
 * A pod that stands by is ready when it could go on at once: the agent before it is ended for it. An update to agents
 * that cannot read what their nodes are told, do not reach the API server, or may not use the kernel, stops at the first
 * node, whose old agent goes on.
 */
export function readinessOf(progress: Progress): Readiness {
  const { source, standby, kernelFailure, startFailure, lockFailure, shortcomings } = progress;
  const { isCarriedOut, unreadable, isTold, isAnswered, isComplete } = progress;
  if (startFailure !== undefined) return { ready: false, text: startFailure };
  if (isCarriedOut) return { ready: true, text: ['carries out what the node is to do', ...shortcomings].join('; ') };
  if (unreadable !== undefined) return { ready: false, text: unreadable };
  // A node that takes part in nothing has none, and its agent has nothing to wait for.
  if (!isTold && isAnswered) return { ready: true, text: 'this node takes part in no peering yet' };
  if (lockFailure !== undefined) return { ready: false, text: lockFailure };
  if (standby && isComplete && kernelFailure !== undefined) return { ready: false, text: kernelFailure };
  if (standby && isComplete) return { ready: true, text: 'standing by until the agent before this one has ended' };
  return { ready: false, text: `waits for ${source} to say what this node is to do` };
}
