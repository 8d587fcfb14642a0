import { MAX_DELETE_SPIS } from '../limits.ts';
import type { Reader } from '../reader.ts';
import { Protocol } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * Delete payload (RFC 7296 §3.11).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Protocol ID   |   SPI Size    |          Num of SPIs          |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~               Security Parameter Index(es) (SPI)              ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface DeletePayload {
  readonly kind: 'delete';
  readonly protocol: number;
  /** 0 for IKE, whose SPIs stand in the header; 4 for AH and ESP. */
  readonly spiSize: number;
  /** The sender's inbound SPIs; none for IKE. */
  readonly spis: readonly Uint8Array[];
}

/** Reads the body of a Delete payload. */
export function decodeDelete(reader: Reader): DeletePayload | undefined {
  const at = reader.offset;
  const protocol = reader.u8('Delete Protocol ID');
  const spiSize = reader.u8('Delete SPI Size');
  const count = reader.u16('Num of SPIs');
  if (reader.failed) return undefined;
  if (!isSpiSizeOf(protocol, spiSize)) {
    return reader.fail(at + 1, 'Delete SPI Size', `${spiSize} is no SPI size of protocol ${protocol}`);
  }
  if (count > MAX_DELETE_SPIS) {
    return reader.fail(at + 2, 'Num of SPIs', `${count} is more than the ${MAX_DELETE_SPIS} allowed`);
  }
  if (spiSize === 0 && count !== 0)
    return reader.fail(at + 2, 'Num of SPIs', `is ${count} although SPIs have no bytes`);
  if (count * spiSize !== reader.remaining) {
    const needed = `${count} SPIs of ${spiSize} bytes`;
    return reader.fail(at + 2, 'Num of SPIs', `${needed} do not fill the ${reader.remaining} bytes of the payload`);
  }
  const spis: Uint8Array[] = [];
  for (let i = 0; i < count; i++) spis.push(reader.bytes(spiSize, 'Delete SPI'));
  return { kind: 'delete', protocol, spiSize, spis };
}

function isSpiSizeOf(protocol: number, size: number): boolean {
  switch (protocol) {
    case Protocol.IKE:
      return size === 0;
    case Protocol.AH:
    case Protocol.ESP:
      return size === 4;
    default:
      return true;
  }
}

/** Writes the body of a Delete payload. */
export function encodeDelete(writer: Writer, payload: DeletePayload): void {
  writer.u8(payload.protocol);
  writer.u8(payload.spiSize);
  writer.u16(payload.spis.length);
  for (const spi of payload.spis) writer.bytes(spi);
}
