import type { ConnectionConfig } from '../ike/types.ts';
import type { Timers } from '../ports.ts';
import type { PathMtuSource } from './status/path-mtu-report.ts';

/** What rounds of searches depend on. */
export interface PathMtuRoundsParts {
  readonly timers: Timers;
  /** Says what the interface towards a peer sends. */
  readonly pathMtus: PathMtuSource;
  /** Those of the moment. */
  readonly connections: () => readonly ConnectionConfig[];
  readonly search: (connection: string, most: number) => void;
}

/**
 * Has it found out how long packets to the peers may be, one peer after the other, and again and again: paths change
 * (RFC 8899 §5.1.1, PMTU_RAISE_TIMER). A peer without an IKE SA is passed over until the next round.
 */
export class PathMtuRounds {
  readonly #parts: PathMtuRoundsParts;
  #waiting: string[] = [];
  #callOff: (() => void) | undefined;

  constructor(parts: PathMtuRoundsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#callOff = this.#parts.timers.after(FIRST_ROUND_MS, () => this.#begin());
  }

  stop(): void {
    this.#callOff?.();
    this.#callOff = undefined;
  }

  #begin(): void {
    this.#waiting = this.#parts.connections().map(({ name }) => name);
    this.#next(ROUND_MS);
  }

  /** `leftMs` is what is left of the round. */
  #next(leftMs: number): void {
    const name = this.#waiting.shift();
    if (name === undefined) {
      this.#callOff = this.#parts.timers.after(Math.max(leftMs, PACE_MS), () => this.#begin());
      return;
    }
    const connection = this.#parts.connections().find((each) => each.name === name);
    if (connection !== undefined) this.#search(connection);
    this.#callOff = this.#parts.timers.after(PACE_MS, () => this.#next(leftMs - PACE_MS));
  }

  #search({ name, localAddress, remoteAddress }: ConnectionConfig): void {
    const mtu = remoteAddress === 'any' ? undefined : this.#parts.pathMtus.between(localAddress, remoteAddress);
    if (mtu !== undefined) this.#parts.search(name, mtu.link);
  }
}

/** IKE SAs have been negotiated by then. */
const FIRST_ROUND_MS = 10_000;
/** As RFC 8899 §5.1.1 has it. */
const ROUND_MS = 600_000;
/** Between two peers: 600 have their turn in each round, more make it longer. */
const PACE_MS = 1_000;
