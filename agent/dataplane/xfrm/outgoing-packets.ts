import { closeDescriptor, type FileDescriptor, type SystemError } from '../../native/libc.ts';
import { missedByCapture, openEveryPacketCapture, readCapture } from '../../native/packet-socket.ts';
import { ok, type Result } from '../../result.ts';
import { outgoingFilter } from './esp-filter.ts';

/** The beginnings of all packets that leave this host, as interfaces are given them: after IPsec. */
export class OutgoingPackets {
  readonly #capture: FileDescriptor;

  private constructor(capture: FileDescriptor) {
    this.#capture = capture;
  }

  /** Begins. Needs CAP_NET_RAW. */
  static open(): Result<OutgoingPackets, SystemError> {
    const opened = openEveryPacketCapture({ filter: outgoingFilter(HEADER_BYTES), bufferBytes: BUFFER_BYTES });
    return opened.ok ? ok(new OutgoingPackets(opened.value)) : opened;
  }

  /** Those since the last call, each from its IP header on. */
  read(): readonly Uint8Array[] {
    return readCapture(this.#capture, MOST_AT_ONCE);
  }

  /** How many there was no room for since the last call. */
  missed(): number {
    return missedByCapture(this.#capture) ?? 0;
  }

  close(): void {
    closeDescriptor(this.#capture);
  }
}

/** An IP header with options, and ports. */
const HEADER_BYTES = 96;
/** Some forty thousand of them. */
const BUFFER_BYTES = 32 * 1024 * 1024;
const MOST_AT_ONCE = 65_536;
