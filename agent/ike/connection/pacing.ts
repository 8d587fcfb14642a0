import type { IkeSa } from '../state.ts';
import type { Connection } from './connection.ts';

/** Who goes first: `now` does not wait at all, `first` before all that wait `inLine`. */
export type Turn = 'now' | 'first' | 'inLine';

/**
 * Keeps the initial exchanges that we begin few at a time. A node with a thousand peers begins with hundreds of them
 * when it starts; begun together, their answers would come together, and what established SAs need would wait behind
 * all their keys and signatures. Only what may cost time soon counts: a peer that has had to be asked twice is silent,
 * and must not keep others waiting.
 */
export class Pacing {
  readonly #most: number;
  readonly #underWay = new Set<IkeSa>();
  readonly #first = new Set<Connection>();
  readonly #inLine = new Set<Connection>();
  /** Those whose turn has come and who have not begun yet. */
  readonly #called = new Set<Connection>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether the connection may begin; otherwise it waits until `next` names it. */
  admits(connection: Connection, turn: Turn): boolean {
    const called = this.#called.has(connection);
    this.leave(connection);
    if (called || turn === 'now' || this.#free > 0) return true;
    if (turn === 'first') this.#first.add(connection);
    else this.#inLine.add(connection);
    return false;
  }

  /** Whether the connection has asked to begin and has not been able to yet. */
  isWaiting(connection: Connection): boolean {
    return this.#first.has(connection) || this.#inLine.has(connection) || this.#called.has(connection);
  }

  /** The connection does not want to begin any more. */
  leave(connection: Connection): void {
    this.#first.delete(connection);
    this.#inLine.delete(connection);
    this.#called.delete(connection);
  }

  /** Takes note of what has become of an IKE SA. */
  note(sa: IkeSa): void {
    if (isUnderWay(sa)) this.#underWay.add(sa);
    else this.#underWay.delete(sa);
  }

  /** One that waits and may begin now. */
  next(): Connection | undefined {
    if (this.#free <= 0) return undefined;
    const line = this.#first.size > 0 ? this.#first : this.#inLine;
    const [connection] = line;
    if (connection === undefined) return undefined;
    line.delete(connection);
    this.#called.add(connection);
    return connection;
  }

  get #free(): number {
    return this.#most - this.#underWay.size - this.#called.size;
  }
}

function isUnderWay({ role, state, window }: IkeSa): boolean {
  if (role !== 'initiator' || (window.pending?.attempt ?? 0) > 0) return false;
  return state.kind === 'initRequested' || state.kind === 'authRequested' || state.kind === 'verifying';
}
