import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Certificate payload (RFC 7296 §3.6).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Cert Encoding |                                               |
 *     +-+-+-+-+-+-+-+-+                                               +
 *     ~                       Certificate Data                        ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface CertPayload {
  readonly kind: 'cert';
  readonly encoding: number;
  readonly data: Uint8Array;
}

/** Reads the body of a CERT payload. */
export function decodeCert(reader: Reader): CertPayload | undefined {
  const encoding = reader.u8('Cert Encoding');
  const data = reader.rest();
  return reader.failed ? undefined : { kind: 'cert', encoding, data };
}

/** Writes the body of a CERT payload. */
export function encodeCert(writer: Writer, payload: CertPayload): void {
  writer.u8(payload.encoding);
  writer.bytes(payload.data);
}
