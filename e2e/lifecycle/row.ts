/** How packets are wrapped: those of the nodes' own addresses, or those of a network behind each node. */
export const modes = ['transport', 'tunnel'] as const;
export type Mode = (typeof modes)[number];

/** Of all packets, IKE and ESP among them. */
export const families = ['IPv4', 'IPv6'] as const;
export type Family = (typeof families)[number];

/** What one event is tried in. */
export interface RowPlace {
  readonly event: string;
  readonly mode: Mode;
  readonly family: Family;
}

/** What was counted while it happened. */
export interface RowCounts {
  readonly sentPackets: number;
  /** Sent or refused to be sent, and not received; those of an outage that cannot be helped too. */
  readonly lostPackets: number;
  /** Seen on a wire. */
  readonly plaintextPackets: number;
  /** For how long a direction had no packet, beyond what cannot be helped; 0 where none was lost. */
  readonly recoverySeconds: number;
}

/** One line of the matrix. */
export interface Row extends RowPlace {
  readonly outcome: 'kept' | 'broken' | 'skipped';
  /** Absent where nothing was measured. */
  readonly counts?: RowCounts;
  /** What was not as promised, or why something is lost or in plaintext that could not be otherwise. */
  readonly why?: string;
}

/** The name of the scenario that fills this row. */
export function rowName({ event, mode, family }: RowPlace): string {
  return `${event}-${mode}-${family.toLowerCase()}`;
}

/** A row as `--json` prints it. */
export function rowJson({ counts, ...row }: Row): string {
  const { event, mode, family, outcome, why } = row;
  return JSON.stringify({ event, mode, family, ...counts, outcome, ...(why === undefined ? {} : { why }) });
}

/** Where the scenario of a row leaves it, in its folder. */
export const ROW_FILE = 'row.json';
