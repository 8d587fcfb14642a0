/** An order to an endpoint about the connection with the other one. */
export type Order =
  | 'rekeyChild'
  | 'rekey'
  | 'reauthenticate'
  | 'terminateChild'
  | 'terminate'
  | 'changeTraffic'
  | 'checkLiveness';

/** What the two sides are told to do, each in its order. */
export interface Plan {
  readonly left: readonly Order[];
  readonly right: readonly Order[];
  /** How many datagrams may be lost. */
  readonly losses: number;
  /** What the random numbers of both sides follow from, and so which of crossing exchanges has the lowest nonce. */
  readonly seeds: readonly [left: number, right: number];
}

export type SideName = 'left' | 'right';

/** Something that may happen next. A datagram is known by its text; two that are alike are the same. */
export type Step =
  | { readonly kind: 'order'; readonly side: SideName }
  | { readonly kind: 'deliver'; readonly side: SideName; readonly datagram: string }
  | { readonly kind: 'fire'; readonly side: SideName }
  | { readonly kind: 'lose'; readonly datagram: string }
  /** Nothing else happens before the next deadline of either side. */
  | { readonly kind: 'wait'; readonly until: number };

/** What a side is in after what it has taken in, as far as the other one or the network depends on it. */
export interface SideFacts {
  /** Texts of the datagrams that it sent at the last thing that it took in. */
  readonly sent: readonly string[];
  readonly deadline: number | undefined;
  /** The SAs that it has sent on, and when it left them; undefined while it sends on them. */
  readonly selections: readonly Selected[];
  /** SPIs of the SAs that it could send on. */
  readonly outbound: readonly number[];
  /** Reqids of the SAs that it receives on, by SPI. */
  readonly inbound: ReadonlyMap<number, number>;
  /** The reqid that its inbound policy asks for. */
  readonly wanted: number | undefined;
}

export interface Selected {
  readonly spi: number;
  /** Whether there was nothing else to send on when it was taken. */
  readonly only: boolean;
  readonly leftAt: number | undefined;
}

/** How a side's history goes on. */
export function historyText(at: number, step: Extract<Step, { readonly side: SideName }>): string {
  return `${at} ${step.kind} ${step.kind === 'deliver' ? step.datagram : ''};`;
}
