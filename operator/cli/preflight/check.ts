/** What every node must have for ikemesh. */
export const CHECKS = ['node', 'kernel', 'esp', 'udp', 'peers', 'mtu', 'cni', 'clock'] as const;
export type CheckName = (typeof CHECKS)[number];

/** How something stands that ikemesh needs. */
export interface Check {
  readonly state: 'ok' | 'doubtful' | 'wrong' | 'unknown';
  /** A word or two, for a table. */
  readonly short: string;
  /** One sentence. */
  readonly text: string;
  /** What to do, or how to learn it. */
  readonly remedy?: string;
}

/** Everything about a node. */
export type NodeChecks = Readonly<Record<CheckName, Check>>;

/** The gravest of several. */
export function worstOf(checks: readonly Check[]): Check['state'] {
  return STATES.find((state) => checks.some((check) => check.state === state)) ?? 'ok';
}

export function check(state: Check['state'], short: string, text: string, remedy?: string): Check {
  return { state, short, text, ...(remedy === undefined ? {} : { remedy }) };
}

/** The gravest first. */
export const STATES: readonly Check['state'][] = ['wrong', 'unknown', 'doubtful', 'ok'];
