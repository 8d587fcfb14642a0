import { MAX_SPI_BYTES } from '../limits.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Notify payload (RFC 7296 §3.10). What its data means is told by `decodeNotifyData`.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Protocol ID  |   SPI Size    |      Notify Message Type      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                Security Parameter Index (SPI)                 ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                       Notification Data                       ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface NotifyPayload {
  readonly kind: 'notify';
  /** Meaningful only beside an SPI; peers differ in what they send without one. */
  readonly protocol: number;
  readonly spi: Uint8Array;
  readonly notifyType: number;
  readonly data: Uint8Array;
}

/** Reads the body of a Notify payload. */
export function decodeNotify(reader: Reader): NotifyPayload | undefined {
  const at = reader.offset;
  const protocol = reader.u8('Notify Protocol ID');
  const spiSize = reader.u8('Notify SPI Size');
  const notifyType = reader.u16('Notify Message Type');
  if (!reader.failed && spiSize > MAX_SPI_BYTES) {
    return reader.fail(at + 1, 'Notify SPI Size', `${spiSize} is more than any SPI has (${MAX_SPI_BYTES})`);
  }
  const spi = reader.bytes(spiSize, 'Notify SPI');
  const data = reader.rest();
  return reader.failed ? undefined : { kind: 'notify', protocol, spi, notifyType, data };
}

/** Writes the body of a Notify payload. */
export function encodeNotify(writer: Writer, payload: NotifyPayload): void {
  writer.u8(payload.protocol);
  writer.u8(payload.spi.length);
  writer.u16(payload.notifyType);
  writer.bytes(payload.spi);
  writer.bytes(payload.data);
}
