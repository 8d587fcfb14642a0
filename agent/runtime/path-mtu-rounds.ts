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
 * Has it found out how long packets to the peers may be, one peer after the other: of each when an IKE SA with it stands, and
 * of all again and again, since paths change (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
 */
export class PathMtuRounds {
  readonly #parts: PathMtuRoundsParts;
  readonly #waiting = new Set<string>();
  #callOffRound: () => void = () => {};
  #callOffNext: (() => void) | undefined;

  constructor(parts: PathMtuRoundsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#callOffRound = this.#parts.timers.after(ROUND_MS, () => {
      for (const { name } of this.#parts.connections()) this.#waiting.add(name);
      this.#next();
      this.start();
    });
  }

  stop(): void {
    this.#callOffRound();
    this.#callOffNext?.();
    this.#waiting.clear();
  }

  /** A connection has an IKE SA, by which the peer can be asked. */
  established(connection: string): void {
    this.#waiting.add(connection);
    this.#next();
  }

  /** Whoever waits has his turn after a pause, in which what an IKE SA begins with is done. */
  #next(): void {
    if (this.#callOffNext !== undefined || this.#waiting.size === 0) return;
    this.#callOffNext = this.#parts.timers.after(PACE_MS, () => {
      this.#callOffNext = undefined;
      const [name] = this.#waiting;
      if (name !== undefined) this.#search(name);
      this.#next();
    });
  }

  #search(name: string): void {
    this.#waiting.delete(name);
    const connection = this.#parts.connections().find((each) => each.name === name);
    if (connection === undefined || connection.remoteAddress === 'any') return;
    const mtu = this.#parts.pathMtus.between(connection.localAddress, connection.remoteAddress);
    if (mtu !== undefined) this.#parts.search(name, mtu.link);
  }
}

/** As RFC 8899 §5.1.1 has it. */
const ROUND_MS = 600_000;
/** Between two peers: 600 have their turn in each round. */
const PACE_MS = 1_000;
