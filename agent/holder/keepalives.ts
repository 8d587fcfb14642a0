import { sendTo } from '../native/libc.ts';
import type { HeldSockets } from './held-sockets.ts';
import { MAX_KEEPALIVES } from './limits.ts';

/**
 * NAT keepalives (RFC 3948 §2.3) while no agent sends them. An agent tells of each that it has sent; one that is overdue
 * is sent here, so that the mapping of a NAT in front of this host outlives the agent.
 */
export class Keepalives {
  readonly #sockets: HeldSockets;
  readonly #entries = new Map<string, Entry>();

  constructor(sockets: HeldSockets) {
    this.#sockets = sockets;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** An agent has sent one. Of too many those go that were told of first. */
  note(nowMs: number, name: string, to: Uint8Array): void {
    const key = `${name} ${Buffer.from(to).toString('hex')}`;
    this.#entries.delete(key);
    this.#entries.set(key, { name, to, toldMs: nowMs, sentMs: nowMs });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MAX_KEEPALIVES && oldest !== undefined) this.#entries.delete(oldest);
  }

  /**
   * Sends what is overdue. With an agent there, what it has not told of for a while is over: the peer has gone, or the
   * kernel sends them. Without one, everything ends when no SA can be left.
   */
  send(nowMs: number, isAgentThere: boolean): void {
    for (const [key, entry] of this.#entries) {
      const socket = this.#sockets.socket(entry.name);
      const silenceMs = nowMs - entry.toldMs;
      if (socket === undefined || silenceMs > LONGEST_ABSENCE_MS) {
        this.#entries.delete(key);
      } else if (isAgentThere && silenceMs > FORGOTTEN_MS) {
        this.#entries.delete(key);
      } else if (nowMs - entry.sentMs >= OVERDUE_MS) {
        sendTo(socket, KEEPALIVE, entry.to);
        entry.sentMs = nowMs;
      }
    }
  }

  /** An agent has come: what the one before it has told of counts until this one has had time to tell the same. */
  agentCame(nowMs: number): void {
    for (const entry of this.#entries.values()) entry.toldMs = nowMs;
  }
}

interface Entry {
  readonly name: string;
  readonly to: Uint8Array;
  toldMs: number;
  sentMs: number;
}

const KEEPALIVE = Uint8Array.of(0xff);
/** An agent sends one after at most 20 s of silence. */
const OVERDUE_MS = 20_000;
const FORGOTTEN_MS = 90_000;
/** For so long SAs outlast an agent that is absent, unless its configuration says otherwise (`maxAgentOutage`). */
const LONGEST_ABSENCE_MS = 3_600_000;
