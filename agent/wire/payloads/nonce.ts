import { MAX_NONCE_BYTES, MIN_NONCE_BYTES } from '../limits.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Nonce payload (RFC 7296 §3.9).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                            Nonce Data                         ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface NoncePayload {
  readonly kind: 'nonce';
  /** 16 to 256 bytes. */
  readonly data: Uint8Array;
}

/** Reads the body of a Nonce payload. */
export function decodeNonce(reader: Reader): NoncePayload | undefined {
  const count = reader.remaining;
  if (count < MIN_NONCE_BYTES || count > MAX_NONCE_BYTES) {
    const range = `${MIN_NONCE_BYTES} to ${MAX_NONCE_BYTES} bytes`;
    return reader.fail(reader.offset, 'Nonce Data', `a nonce has ${range}, this one ${count}`);
  }
  return { kind: 'nonce', data: reader.rest() };
}

/** Writes the body of a Nonce payload. */
export function encodeNonce(writer: Writer, payload: NoncePayload): void {
  writer.bytes(payload.data);
}
