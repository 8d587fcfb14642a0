import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

import {
  closeDescriptor,
  type FileDescriptor,
  type ReadWatch,
  type SystemError,
  watchReadable,
} from '../native/libc.ts';
import {
  acceptUnix,
  listenUnix,
  MAX_UNIX_PATH_BYTES,
  receiveUnix,
  sendUnix,
  type UnixMessage,
} from '../native/unix-socket.ts';
import { err, ok, type Result } from '../result.ts';
import type { HeldSockets } from './held-sockets.ts';
import type { Keepalives } from './keepalives.ts';
import { MAX_CLIENTS, MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_TURN } from './limits.ts';
import { decodeRequest, encodeAnswer, type HolderAnswer, type HolderRequest } from './messages.ts';

/** What a holder's server works with. */
export interface HolderServerParts {
  readonly path: string;
  readonly sockets: HeldSockets;
  readonly keepalives: Keepalives;
  readonly monotonicMs: () => number;
  /** The user who may ask, beside root. */
  readonly uid: number;
  readonly log: (text: string) => void;
}

/** Keeps sockets for whoever asks at a Unix socket, and gives them back. */
export class HolderServer {
  readonly #parts: HolderServerParts;
  readonly #listener: FileDescriptor;
  readonly #watch: ReadWatch;
  readonly #clients = new Map<FileDescriptor, { readonly watch: ReadWatch; isAgent: boolean }>();

  private constructor(parts: HolderServerParts, listener: FileDescriptor) {
    this.#parts = parts;
    this.#listener = listener;
    this.#watch = watchReadable(listener, () => this.#accept());
  }

  /** Listens at a path in place of whoever listened there before; the error is a sentence. */
  static listen(parts: HolderServerParts): Result<HolderServer, string> {
    const { path } = parts;
    if (Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES - SUFFIX_BYTES) {
      return err(`the path ${path} has more than ${MAX_UNIX_PATH_BYTES - SUFFIX_BYTES} bytes: choose a shorter one`);
    }
    // Made beside the path and moved there: at no moment is nobody there, or somebody who may be asked by others.
    const made = `${path}.${process.pid}`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      rmSync(made, { force: true });
      const listener = listenPrivately(made);
      if (!listener.ok) return err(listenFailureText(path, listener.error));
      renameSync(made, path);
      return ok(new HolderServer(parts, listener.value));
    } catch (error) {
      return err(`the socket ${path} cannot be made: ${(error as Error).message}`);
    }
  }

  /** Whether somebody is there who has sockets held. */
  get isAgentThere(): boolean {
    return [...this.#clients.values()].some(({ isAgent }) => isAgent);
  }

  /** Stops answering. */
  close(): void {
    this.#watch.close();
    closeDescriptor(this.#listener);
    for (const client of this.#clients.keys()) this.#part(client);
  }

  #accept(): void {
    const accepted = acceptUnix(this.#listener);
    if (!accepted.ok) return;
    const { fd, uid } = accepted.value;
    const refusal = this.#refusal(uid);
    if (refusal !== undefined) {
      this.#parts.log(refusal);
      closeDescriptor(fd);
      return;
    }
    this.#clients.set(fd, { watch: watchReadable(fd, () => this.#serve(fd)), isAgent: false });
  }

  #refusal(uid: number): string | undefined {
    if (uid !== 0 && uid !== this.#parts.uid)
      return `user ${uid} was refused: only root and user ${this.#parts.uid} may ask`;
    if (this.#clients.size >= MAX_CLIENTS) return `a connection was refused: there are ${MAX_CLIENTS} already`;
    return undefined;
  }

  #serve(client: FileDescriptor): void {
    for (let count = 0; count < MAX_MESSAGES_PER_TURN; count += 1) {
      const received = receiveUnix(client, buffer);
      if (received.ok && received.value === undefined) return;
      if (received.ok && received.value !== undefined && !isEnd(received.value) && this.#answer(client, received.value))
        continue;
      this.#part(client);
      return;
    }
  }

  /** Answers a message; false where the client is to go: it does not take the answer, or speaks another language. */
  #answer(client: FileDescriptor, message: UnixMessage): boolean {
    const decoded = message.isCutOff ? err('more than a message may have') : decodeRequest(message.bytes);
    const answer = decoded.ok ? this.#carryOut(client, decoded.value, message) : refused(decoded.error);
    if (!decoded.ok) this.#parts.log(`a request was refused: ${decoded.error}`);
    const request = answer.done && decoded.ok ? decoded.value : undefined;
    if (message.descriptor !== undefined && request?.request !== 'hold') closeDescriptor(message.descriptor);
    const given = request?.request === 'take' ? this.#parts.sockets.socket(request.name) : undefined;
    return sendUnix(client, encodeAnswer(answer), given).ok && decoded.ok;
  }

  #carryOut(client: FileDescriptor, request: HolderRequest, { descriptor }: UnixMessage): HolderAnswer {
    const { sockets, keepalives, monotonicMs } = this.#parts;
    switch (request.request) {
      case 'hold':
        if (descriptor === undefined) return refused(`no socket came with ${request.name}`);
        if (!sockets.hold(request.name, descriptor)) return refused('too many sockets are held');
        this.#isAgent(client);
        return DONE;
      case 'take':
        return sockets.socket(request.name) === undefined ? refused(`${request.name} is not held`) : DONE;
      case 'list':
        return { done: true, names: sockets.names };
      case 'retain':
        sockets.retain(request.names);
        this.#isAgent(client);
        return DONE;
      case 'keepalive':
        keepalives.note(monotonicMs(), request.name, request.to);
        return DONE;
    }
  }

  /** Whoever says what is to be held is an agent; a new holder only takes. */
  #isAgent(client: FileDescriptor): void {
    const known = this.#clients.get(client);
    if (known === undefined || known.isAgent) return;
    known.isAgent = true;
    this.#parts.keepalives.agentCame(this.#parts.monotonicMs());
    this.#parts.log(`an agent has its sockets held: ${this.#parts.sockets.names.join(', ') || 'none yet'}`);
  }

  #part(client: FileDescriptor): void {
    const known = this.#clients.get(client);
    known?.watch.close();
    this.#clients.delete(client);
    closeDescriptor(client);
    if (known?.isAgent === true) {
      this.#parts.log(`the agent has gone; ${this.#parts.sockets.names.length} sockets stay open for the next one`);
    }
  }
}

/** By a socket that is its owner's alone from its first moment on. */
function listenPrivately(path: string): Result<FileDescriptor, SystemError> {
  const mask = process.umask(PRIVATE);
  try {
    return listenUnix(path, MAX_CLIENTS);
  } finally {
    process.umask(mask);
  }
}

function isEnd({ bytes, descriptor }: UnixMessage): boolean {
  return bytes.length === 0 && descriptor === undefined;
}

function refused(reason: string): HolderAnswer {
  return { done: false, reason };
}

function listenFailureText(path: string, { errno, message }: SystemError): string {
  return `the socket ${path} cannot be made: ${message} (${errno}); its folder must be there and be writable`;
}

const DONE: HolderAnswer = { done: true };
/** Only for its owner. */
const PRIVATE = 0o177;
/** A dot and a process id. */
const SUFFIX_BYTES = 11;
/** A message is read at once. */
const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
