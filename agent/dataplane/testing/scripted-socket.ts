import type { SystemError } from '../../native/libc.ts';
import { err, ok, type Result } from '../../result.ts';
import { hostView } from '../netlink/host-order.ts';
import { decodeMessages, encodeMessage, type NetlinkMessage } from '../netlink/message.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';

/** What a scripted kernel has to receive: a datagram, or the failure of the call. */
export type Reception = Uint8Array | { readonly errno: string };

/** A netlink socket whose kernel is a function of the test. */
export class ScriptedSocket implements NetlinkSocket {
  readonly port = 4711;
  /** Waiting to be received. */
  readonly queue: Reception[] = [];
  readonly requests: NetlinkMessage[] = [];
  closed = false;
  #onReadable: () => void = () => {};
  readonly #answer: (request: NetlinkMessage, port: number) => readonly Reception[];

  constructor(answer: (request: NetlinkMessage, port: number) => readonly Reception[] = () => []) {
    this.#answer = answer;
  }

  send(datagram: Uint8Array): Result<void, SystemError> {
    for (const request of decodeMessages(datagram.slice())) {
      this.requests.push(request);
      this.queue.push(...this.#answer(request, this.port));
    }
    return ok(undefined);
  }

  receive(buffer: Uint8Array): Result<number | undefined, SystemError> {
    const next = this.queue.shift();
    if (next === undefined) return ok(undefined);
    if (!(next instanceof Uint8Array)) {
      return err({ kind: 'systemError', call: 'recvfrom', errno: next.errno, message: '' });
    }
    buffer.set(next.subarray(0, buffer.length));
    return ok(next.length);
  }

  watch(onReadable: () => void): void {
    this.#onReadable = onReadable;
  }

  /** The event loop finds the socket readable. */
  becomeReadable(): void {
    this.#onReadable();
  }

  close(): void {
    this.closed = true;
  }
}

/** A message from the kernel. */
export function fromKernel(type: number, flags: number, sequence: number, port: number, body: Uint8Array): Uint8Array {
  const bytes = encodeMessage(type, flags, sequence, body);
  hostView(bytes).setUint32(12, port);
  return bytes;
}

/** Several messages in one datagram. */
export function together(...messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((message) => [...message]));
}
