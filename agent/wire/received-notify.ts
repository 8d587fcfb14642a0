import type { NotifyPayload } from './payloads/notify.ts';
import { NotifyType, Protocol } from './registry.ts';

/** What a kernel has counted on an inbound SA. */
export interface ReceivedCount {
  /** On which the sender of the notify receives. */
  readonly spi: number;
  readonly packets: number;
  /** Packets that have come for it since the last good one and were not made with its keys. */
  readonly undecryptable: number;
  /** Milliseconds since the kernel was asked. */
  readonly ageMs: number;
}

/**
 * The private notify RECEIVED, in INFORMATIONAL: what has arrived on the sender's inbound SAs. Its type means this only
 * between peers that have shown our Vendor ID.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Version = 1  |  RESERVED     |           RESERVED            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                              SPI                              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                       Packets (8 bytes)                       |
 *     |                                                               |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                         Undecryptable                         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                      Age in milliseconds                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                  the last four of each SA                     ~
 */
export function encodeReceivedNotify(counts: readonly ReceivedCount[]): NotifyPayload {
  const told = counts.slice(0, MOST_RECEIVED_COUNTS);
  const data = new Uint8Array(HEADER_BYTES + told.length * COUNT_BYTES);
  const view = new DataView(data.buffer);
  data[0] = VERSION;
  for (const [index, { spi, packets, undecryptable, ageMs }] of told.entries()) {
    const offset = HEADER_BYTES + index * COUNT_BYTES;
    view.setUint32(offset, spi);
    view.setBigUint64(offset + 4, BigInt(packets));
    view.setUint32(offset + 12, Math.min(undecryptable, MAX_UINT32));
    view.setUint32(offset + 16, Math.min(Math.max(0, Math.round(ageMs)), MAX_UINT32));
  }
  return { kind: 'notify', protocol: Protocol.NONE, spi: new Uint8Array(0), notifyType: NotifyType.RECEIVED, data };
}

/** Reads the notify; undefined where it is of another form, which later versions may bring and nothing depends on. */
export function decodeReceivedNotify({ data }: NotifyPayload): readonly ReceivedCount[] | undefined {
  const length = (data.length - HEADER_BYTES) / COUNT_BYTES;
  if (data[0] !== VERSION || !Number.isInteger(length) || length < 0 || length > MOST_RECEIVED_COUNTS) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return Array.from({ length }, (_, index) => {
    const offset = HEADER_BYTES + index * COUNT_BYTES;
    return {
      spi: view.getUint32(offset),
      packets: Number(view.getBigUint64(offset + 4)),
      undecryptable: view.getUint32(offset + 12),
      ageMs: view.getUint32(offset + 16),
    };
  });
}

/** As many as fit beside everything else into a datagram of the least MTU of IPv6: nearly all peers have one or two. */
export const MOST_RECEIVED_COUNTS = 32;

const VERSION = 1;
const HEADER_BYTES = 4;
const COUNT_BYTES = 20;
const MAX_UINT32 = 0xffff_ffff;
