import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Vendor ID payload (RFC 7296 §3.12).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                        Vendor ID (VID)                        ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface VendorPayload {
  readonly kind: 'vendor';
  readonly data: Uint8Array;
}

/** Reads the body of a Vendor ID payload. */
export function decodeVendor(reader: Reader): VendorPayload {
  return { kind: 'vendor', data: reader.rest() };
}

/** Writes the body of a Vendor ID payload. */
export function encodeVendor(writer: Writer, payload: VendorPayload): void {
  writer.bytes(payload.data);
}
