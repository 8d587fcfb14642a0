import { decodeMessages, type NetlinkMessage } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** Who is told about multicast messages. */
export interface EventReceiver {
  /** One message; keep no view of it. */
  message(message: NetlinkMessage): void;
  /** The socket overflowed: messages were lost, whatever arrives later. */
  overflow(): void;
}

/**
 * Reads what the kernel multicasts. At one turn of the event loop at most `MAX_PER_TURN` datagrams are read, so that a
 * storm of events cannot keep the agent from everything else; the rest comes at the next turn.
 */
export class EventReader {
  readonly #socket: NetlinkSocket;
  readonly #receiver: EventReceiver;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #closed = false;

  constructor(socket: NetlinkSocket, receiver: EventReceiver) {
    this.#socket = socket;
    this.#receiver = receiver;
    socket.watch(() => this.drain());
  }

  /** Reads what is there, up to the limit of a turn. */
  drain(): void {
    let overflowed = false;
    for (let datagrams = 0; datagrams < MAX_PER_TURN && !this.#closed; datagrams++) {
      const received = this.#socket.receive(this.#buffer);
      if (!received.ok) {
        // The error tells of the loss once; the socket is read on.
        overflowed = true;
        continue;
      }
      if (received.value === undefined) break;
      if (received.value > this.#buffer.length) {
        overflowed = true;
        continue;
      }
      for (const message of decodeMessages(this.#buffer.subarray(0, received.value))) this.#receiver.message(message);
      // Messages about SAs carry their keys.
      this.#buffer.fill(0, 0, received.value);
    }
    if (overflowed && !this.#closed) this.#receiver.overflow();
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

const RECEIVE_BYTES = 32_768;
const MAX_PER_TURN = 256;
