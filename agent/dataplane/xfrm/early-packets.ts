import { closeDescriptor, type FileDescriptor, type SystemError } from '../../native/libc.ts';
import { inject, openCapture, openInjection, readCapture } from '../../native/packet-socket.ts';
import { ok, type Result } from '../../result.ts';
import type { SaId } from '../types.ts';
import { espFilter } from './esp-filter.ts';

/**
 * Packets that come before their SA. Linux drops ESP with an SPI that it does not know; a socket beside it keeps copies of
 * those that are awaited, and when the SA is there they are sent to this host once more, those that the SA is for. Of them
 * the kernel checks all but its policies. Its counter XfrmInNoStates has counted each of them before.
 */
export class EarlyPackets {
  /** By SPI, which names an SA that is awaited: whoever drew it drew no other like it. The oldest first. */
  readonly #captures = new Map<number, FileDescriptor>();
  readonly #sockets: PacketSockets;

  constructor(sockets: PacketSockets = systemSockets) {
    this.#sockets = sockets;
  }

  /** Keeps packets for an SA from here on. */
  await({ destination, spi }: SaId): Result<void, SystemError> {
    this.forget(spi);
    const ipVersion = destination.includes(':') ? 6 : 4;
    const opened = this.#sockets.open({ ipVersion, filter: espFilter(spi), bufferBytes: CAPTURE_BYTES });
    if (!opened.ok) return opened;
    const [oldest] = this.#captures.keys();
    if (oldest !== undefined && this.#captures.size >= MAX_CAPTURES) this.forget(oldest);
    this.#captures.set(spi, opened.value);
    return ok(undefined);
  }

  /** Lets go of what was kept for an SA, if anything was. */
  forget(spi: number): void {
    const capture = this.#captures.get(spi);
    if (capture === undefined) return;
    this.#captures.delete(spi);
    this.#sockets.close(capture);
  }

  /**
   * Runs `install` and hands over to the new SA what had come for it, if it was awaited, as far as `isMeant` says so.
   * `received` tells how many packets the SA itself has received since then: so many of those that came last were in time.
   */
  handOver<E>(
    spi: number,
    install: () => Result<void, E>,
    received: () => number,
    isMeant: (packet: Uint8Array) => boolean,
  ): Result<void, E> {
    const capture = this.#captures.get(spi);
    if (capture === undefined) return install();
    const before = this.#sockets.read(capture, MAX_PACKETS);
    const outcome = install();
    if (outcome.ok) {
      const meanwhile = this.#sockets.read(capture, MAX_PACKETS);
      const inTime = meanwhile.length === 0 ? 0 : received();
      const late = meanwhile.slice(0, Math.max(0, meanwhile.length - inTime));
      this.#sockets.inject([...before, ...late].filter(isMeant));
    }
    this.forget(spi);
    return outcome;
  }

  /** Lets go of everything. */
  close(): void {
    for (const spi of [...this.#captures.keys()]) this.forget(spi);
  }
}

/** What packets are kept in and sent again by; tests bring their own. */
export interface PacketSockets {
  readonly open: typeof openCapture;
  readonly read: typeof readCapture;
  readonly close: typeof closeDescriptor;
  /** Sends packets to this host, as far as they can be sent. */
  readonly inject: (packets: readonly Uint8Array[]) => void;
}

const systemSockets: PacketSockets = {
  open: openCapture,
  read: readCapture,
  close: closeDescriptor,
  inject: (packets) => {
    const [first = new Uint8Array(1)] = packets;
    if (packets.length === 0) return;
    const socket = openInjection((first[0] ?? 0) >> 4 === 4 ? 4 : 6);
    if (!socket.ok) return;
    for (const packet of packets) inject(socket.value, packet);
    closeDescriptor(socket.value);
  },
};

/** Some two thousand packets of full size: 2 Gbit/s for ten milliseconds. */
const CAPTURE_BYTES = 4 * 1024 * 1024;
/** More than the buffer holds of the smallest. */
const MAX_PACKETS = 8192;
/** Each is asked of every packet that arrives; exchanges that are under way at the same time are few. */
const MAX_CAPTURES = 32;
