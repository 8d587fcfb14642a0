import type { SystemError } from '../../native/libc.ts';
import { err, ok, type Result } from '../../result.ts';
import { aligned } from './attributes.ts';
import {
  controlTypes,
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  messageFlags,
  type NetlinkMessage,
} from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** A request that came to nothing. */
export interface NetlinkFailure {
  /** The kernel's answer, or the failure of the socket call; `EBADMSG`, `EINTR`, `EMSGSIZE`, `E2BIG` are ours, too. */
  readonly errno: string;
  /** The extended acknowledgement with the place it points at, or our own words; empty where there are none. */
  readonly reason: string;
}

/**
 * Requests to the kernel and their answers, one at a time. Netlink works a request off inside the call that sends it,
 * so the answer is there when the call returns: nothing here ever waits.
 */
export class NetlinkConnection {
  readonly #socket: NetlinkSocket;
  readonly #nameOf: (errno: number) => string;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 0;

  /** `nameOf` gives the name of an error number. */
  constructor(socket: NetlinkSocket, nameOf: (errno: number) => string) {
    this.#socket = socket;
    this.#nameOf = nameOf;
  }

  /** By this the kernel names us in what it tells others, and us, of our requests. */
  get port(): number {
    return this.#socket.port;
  }

  /** Sends a request and waits for its acknowledgement. `body` is wiped once sent: it may hold keys. */
  request(type: number, body: Uint8Array): Result<void, NetlinkFailure> {
    const outcome = this.#exchange(type, messageFlags.ack, body, () => undefined);
    return outcome.ok ? ok(undefined) : outcome;
  }

  /** Sends a request that is answered by one message, and reads that; undefined if `read` makes nothing of it. */
  query<T>(type: number, body: Uint8Array, read: Read<T>): Result<T | undefined, NetlinkFailure> {
    const answers = this.#exchange(type, messageFlags.ack, body, read);
    return answers.ok ? ok(answers.value[0]) : answers;
  }

  /** Reads all objects of a kind; what `read` makes nothing of is left out. Repeated if it was interrupted by a change. */
  dump<T>(type: number, body: Uint8Array, read: Read<T>): Result<readonly T[], NetlinkFailure> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const outcome = this.#exchange(type, messageFlags.dump, body.slice(), read);
      if (outcome.ok || outcome.error.errno !== 'EINTR') return outcome;
    }
    return err({ errno: 'EINTR', reason: `the dump was interrupted ${DUMP_ATTEMPTS} times by changes` });
  }

  /** Sends messages that belong together in one datagram; fails with the first failure that the kernel tells of any. */
  batch(messages: readonly BatchMessage[]): Result<void, NetlinkFailure> {
    const first = this.#sequence + 1;
    const encoded = messages.map(({ type, flags, body }) => {
      this.#sequence = (this.#sequence + 1) >>> 0;
      return encodeMessage(type, messageFlags.request | flags, this.#sequence, body, this.port);
    });
    const sent = this.#socket.send(concatenated(encoded));
    if (!sent.ok) return err(failureOf(sent.error));
    const asked = messages.filter(({ flags }) => (flags & messageFlags.ack) !== 0).length;
    return this.#acknowledged(first, asked);
  }

  close(): void {
    this.#socket.close();
  }

  /** The kernel has told of all messages when the call returns that sent them, so what is missing will not come. */
  #acknowledged(first: number, asked: number): Result<void, NetlinkFailure> {
    let acknowledged = 0;
    let failure: NetlinkFailure | undefined;
    for (let datagrams = 0; datagrams < MAX_DATAGRAMS; datagrams++) {
      const received = this.#socket.receive(this.#buffer);
      if (!received.ok) return err(failureOf(received.error));
      if (received.value === undefined) break;
      for (const message of decodeMessages(this.#buffer.subarray(0, received.value))) {
        if (message.sequence < first || message.port !== this.#socket.port) continue;
        const end = this.#endOf(message);
        if (end?.ok === true) acknowledged += 1;
        else if (end !== undefined) failure ??= end.error;
      }
    }
    if (failure !== undefined) return err(failure);
    if (acknowledged < asked) return err({ errno: 'EBADMSG', reason: 'the kernel did not answer' });
    return ok(undefined);
  }

  #exchange<T>(type: number, flags: number, body: Uint8Array, read: Read<T>): Result<readonly T[], NetlinkFailure> {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const datagram = encodeMessage(type, messageFlags.request | flags, this.#sequence, body, this.port);
    const sent = this.#socket.send(datagram);
    datagram.fill(0);
    body.fill(0);
    if (!sent.ok) return err(failureOf(sent.error));
    return this.#collect(read);
  }

  /** Receives until the request is acknowledged or its dump is done. */
  #collect<T>(read: Read<T>): Result<readonly T[], NetlinkFailure> {
    const found: T[] = [];
    let interrupted = false;
    let tooMany = false;
    for (let datagrams = 0; datagrams < MAX_DATAGRAMS; datagrams++) {
      const received = this.#socket.receive(this.#buffer);
      if (!received.ok) return err(failureOf(received.error));
      if (received.value === undefined) return err({ errno: 'EBADMSG', reason: 'the kernel did not answer' });
      if (received.value > this.#buffer.length) return err({ errno: 'EMSGSIZE', reason: 'the answer was cut off' });
      const bytes = this.#buffer.subarray(0, received.value);
      for (const message of decodeMessages(bytes)) {
        if (message.sequence !== this.#sequence || message.port !== this.#socket.port) continue;
        if ((message.flags & messageFlags.dumpInterrupted) !== 0) interrupted = true;
        const end = this.#endOf(message);
        if (end !== undefined) {
          bytes.fill(0);
          if (!end.ok) return end;
          if (interrupted) return err({ errno: 'EINTR', reason: '' });
          if (tooMany) return err({ errno: 'E2BIG', reason: `there are more than ${MAX_OBJECTS} objects` });
          return ok(found);
        }
        const value = read(message);
        if (value === undefined) continue;
        if (found.length < MAX_OBJECTS) found.push(value);
        else tooMany = true;
      }
      // The answer to a query about an SA holds its keys.
      bytes.fill(0);
    }
    return err({ errno: 'E2BIG', reason: 'the answer does not end' });
  }

  #endOf(message: NetlinkMessage): Result<void, NetlinkFailure> | undefined {
    if (message.type !== controlTypes.error && message.type !== controlTypes.done) return undefined;
    const said = decodeAcknowledgement(message);
    // The end of a dump needs no content.
    if (said === undefined) {
      return message.type === controlTypes.done ? ok(undefined) : err({ errno: 'EBADMSG', reason: '' });
    }
    if (said.errno === 0) return ok(undefined);
    const place = said.offset === undefined ? '' : ` at byte ${said.offset} of the request`;
    return err({ errno: this.#nameOf(said.errno), reason: said.reason === '' ? '' : `${said.reason}${place}` });
  }
}

/** One message of a batch. */
export interface BatchMessage {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + aligned(part.length), 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += aligned(part.length);
  }
  return whole;
}

/** Makes a value of an answer; it must keep no view of the message. */
export type Read<T> = (message: NetlinkMessage) => T | undefined;

function failureOf(error: SystemError): NetlinkFailure {
  return { errno: error.errno, reason: `${error.call}: ${error.message}` };
}

/** The kernel fills at most 32 KiB of a reader's buffer in a dump. */
const RECEIVE_BYTES = 65_536;
const DUMP_ATTEMPTS = 5;
/** Twice the SAs of a gateway with ten thousand tunnels in mid-rekey; some 40 MB as values. */
const MAX_OBJECTS = 65_536;
/** Each datagram of a dump holds several objects; one with an acknowledgement may hold none. */
const MAX_DATAGRAMS = 131_072;
