import { closeDescriptor, type FileDescriptor, type ReadWatch, waitReadable, watchReadable } from '../native/libc.ts';
import { connectUnix, MAX_UNIX_PATH_BYTES, receiveUnix, sendUnix, type UnixMessage } from '../native/unix-socket.ts';
import { err, ok, type Result } from '../result.ts';
import { ANSWER_TIMEOUT_MS, MAX_MESSAGE_BYTES } from './limits.ts';
import { decodeAnswer, encodeRequest, type HolderRequest } from './messages.ts';

/** What came of a request. */
export interface HolderReply {
  readonly names: readonly string[];
  /** The caller's own. */
  readonly socket: FileDescriptor | undefined;
}

/** Why there was no reply: the holder said no and is still there, or it is lost. */
export interface HolderFailure {
  readonly isLost: boolean;
  readonly reason: string;
}

/** A connection to a holder. Its requests are answered at once, or it is given up. */
export class HolderConnection {
  readonly #fd: FileDescriptor;
  #watch: ReadWatch | undefined;
  #open = true;

  private constructor(fd: FileDescriptor) {
    this.#fd = fd;
  }

  /** Connects to the holder at `path`; the error says why nobody is there. */
  static open(path: string): Result<HolderConnection, string> {
    if (Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES)
      return err(`its path has more than ${MAX_UNIX_PATH_BYTES} bytes`);
    const connected = connectUnix(path);
    return connected.ok ? ok(new HolderConnection(connected.value)) : err(connectFailureText(connected.error.errno));
  }

  /** Calls back when the holder has gone; keeps the process alive meanwhile. */
  onEnd(callback: () => void): void {
    // It says nothing unasked, so that the socket is readable between requests only at its end.
    this.#watch = watchReadable(this.#fd, callback);
  }

  request(request: HolderRequest, socket?: FileDescriptor): Result<HolderReply, HolderFailure> {
    if (!this.#open) return lost('it was given up');
    const sent = sendUnix(this.#fd, encodeRequest(request), socket);
    if (!sent.ok) return lost(sent.error.message);
    const received = this.#receive();
    if (!received.ok) return lost(received.error);
    const { bytes, descriptor } = received.value;
    const answer = decodeAnswer(bytes);
    if (answer?.done === true) return ok({ names: answer.names ?? [], socket: descriptor });
    if (descriptor !== undefined) closeDescriptor(descriptor);
    return answer === undefined ? lost('its answer cannot be read') : err({ isLost: false, reason: answer.reason });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watch?.close();
    closeDescriptor(this.#fd);
  }

  #receive(): Result<UnixMessage, string> {
    const untilMs = performance.now() + ANSWER_TIMEOUT_MS;
    // A signal for this process ends a wait early.
    for (let leftMs = ANSWER_TIMEOUT_MS; leftMs > 0; leftMs = untilMs - performance.now()) {
      if (!waitReadable(this.#fd, Math.ceil(leftMs))) continue;
      const received = receiveUnix(this.#fd, buffer);
      if (!received.ok) return err(received.error.message);
      if (received.value !== undefined)
        return received.value.bytes.length === 0 ? err('it has ended') : ok(received.value);
    }
    return err(`it did not answer within ${ANSWER_TIMEOUT_MS / 1_000} s`);
  }
}

function lost(reason: string): Result<never, HolderFailure> {
  return err({ isLost: true, reason });
}

function connectFailureText(errno: string): string {
  switch (errno) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return 'nobody is there';
    case 'EACCES':
    case 'EPERM':
      return 'it may be opened only by the user that the holder runs as';
    case 'EAGAIN':
      return 'too many ask it at a time';
    case 'EPROTOTYPE':
      return 'it is not the socket of a holder';
    default:
      return `it cannot be connected to (${errno})`;
  }
}

const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
