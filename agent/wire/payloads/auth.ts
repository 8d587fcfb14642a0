import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Authentication payload (RFC 7296 §3.8). Its reserved octets are not part of what is signed and are not kept.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Auth Method   |                RESERVED                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                      Authentication Data                      ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface AuthPayload {
  readonly kind: 'auth';
  readonly method: number;
  readonly data: Uint8Array;
}

/** Reads the body of an AUTH payload. */
export function decodeAuth(reader: Reader): AuthPayload | undefined {
  const method = reader.u8('Auth Method');
  reader.skip(3, 'AUTH RESERVED');
  const data = reader.rest();
  return reader.failed ? undefined : { kind: 'auth', method, data };
}

/** Writes the body of an AUTH payload. */
export function encodeAuth(writer: Writer, payload: AuthPayload): void {
  writer.u8(payload.method);
  writer.u24(0);
  writer.bytes(payload.data);
}
