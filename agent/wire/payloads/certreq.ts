import type { Reader } from '../reader.ts';
import { CertEncoding } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * Certificate Request payload (RFC 7296 §3.7).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Cert Encoding |                                               |
 *     +-+-+-+-+-+-+-+-+                                               +
 *     ~                    Certification Authority                    ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface CertReqPayload {
  readonly kind: 'certreq';
  readonly encoding: number;
  /** For X.509: SHA-1 hashes of the accepted authorities' SubjectPublicKeyInfo, 20 bytes each; may be empty. */
  readonly data: Uint8Array;
}

/** Reads the body of a CERTREQ payload. */
export function decodeCertReq(reader: Reader): CertReqPayload | undefined {
  const encoding = reader.u8('Cert Encoding');
  const at = reader.offset;
  const data = reader.rest();
  if (reader.failed) return undefined;
  if (encoding === CertEncoding.X509_SIGNATURE && data.length % SHA1_BYTES !== 0) {
    return reader.fail(at, 'Certification Authority', `${data.length} bytes are no list of ${SHA1_BYTES}-byte hashes`);
  }
  return { kind: 'certreq', encoding, data };
}

/** Writes the body of a CERTREQ payload. */
export function encodeCertReq(writer: Writer, payload: CertReqPayload): void {
  writer.u8(payload.encoding);
  writer.bytes(payload.data);
}

const SHA1_BYTES = 20;
