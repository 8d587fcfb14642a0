import type { FileDescriptor } from '../native/libc.ts';
import type { Timers } from '../ports.ts';
import type { HolderState, SocketHolder } from '../runtime/udp-ike-socket.ts';
import { HolderConnection, type HolderReply } from './holder-connection.ts';
import type { HolderRequest } from './messages.ts';

/** What a client of a holder depends on. */
export interface HolderClientParts {
  readonly path: string;
  readonly timers: Timers;
  readonly monotonicMs: () => number;
  /** Told once whenever it changes, from when there are sockets to be held: before, an agent may be refused its start. */
  readonly onChange: (state: HolderState) => void;
}

/**
 * An agent's side of a holder. Where there is none, or none any more, the agent goes on with sockets of its own, and gives
 * them to the next holder that is there.
 */
export class HolderClient implements SocketHolder {
  readonly #parts: HolderClientParts;
  readonly #own = new Map<string, FileDescriptor>();
  #connection: HolderConnection | undefined;
  #state: HolderState | undefined;
  #started = false;
  #holds = false;
  #told: HolderState['kind'] | undefined;
  #callOff: () => void = () => {};

  constructor(parts: HolderClientParts) {
    this.#parts = parts;
  }

  get state(): HolderState | undefined {
    return this.#state;
  }

  start(): void {
    if (!this.#started) this.#connect();
    this.#started = true;
  }

  take(name: string): FileDescriptor | undefined {
    return this.#request({ request: 'take', name })?.socket;
  }

  /** Has exactly these sockets held from here on. They stay the caller's, who says so before closing one. */
  hold(sockets: ReadonlyMap<string, FileDescriptor>): void {
    const before = new Map(this.#own);
    this.#own.clear();
    for (const [name, socket] of sockets) {
      this.#own.set(name, socket);
      if (before.get(name) !== socket) this.#request({ request: 'hold', name }, socket);
    }
    this.#request({ request: 'retain', names: [...sockets.keys()] });
    this.#holds = true;
    this.#tell();
  }

  keepalive(name: string, to: Uint8Array): void {
    this.#request({ request: 'keepalive', name, to });
  }

  /** Lets the holder alone, which keeps what it has, until it is started again. */
  close(): void {
    this.#callOff();
    this.#connection?.close();
    this.#connection = undefined;
    this.#own.clear();
    this.#started = false;
  }

  #connect(): void {
    const { path, monotonicMs } = this.#parts;
    const opened = HolderConnection.open(path);
    if (!opened.ok) {
      this.#absent(opened.error);
      return;
    }
    this.#connection = opened.value;
    opened.value.onEnd(() => this.#lost('it has ended'));
    const sockets = new Map(this.#own);
    // One that has no sockets of ours yet may have those of an earlier run, which are asked for first.
    if (sockets.size > 0) {
      this.#own.clear();
      this.hold(sockets);
    }
    if (this.#connection !== undefined) this.#change({ kind: 'holding', path, sinceMs: monotonicMs() });
  }

  #request(request: HolderRequest, socket?: FileDescriptor): HolderReply | undefined {
    const replied = this.#connection?.request(request, socket);
    if (replied === undefined || replied.ok) return replied?.value;
    if (replied.error.isLost || request.request !== 'take') this.#lost(replied.error.reason);
    return undefined;
  }

  #lost(reason: string): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#absent(reason);
  }

  #absent(reason: string): void {
    this.#callOff();
    this.#callOff = this.#parts.timers.after(RETRY_MS, () => this.#connect());
    this.#change({ kind: 'absent', path: this.#parts.path, reason });
  }

  #change(state: HolderState): void {
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    const state = this.#state;
    if (!this.#holds || state === undefined || state.kind === this.#told) return;
    this.#told = state.kind;
    this.#parts.onChange(state);
  }
}

/** A container or a service that ended is started again in this time. */
const RETRY_MS = 2_000;
