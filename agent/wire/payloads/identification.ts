import type { Reader } from '../reader.ts';
import { IdType } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * Identification payloads, IDi and IDr (RFC 7296 §3.5).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   ID Type     |                 RESERVED                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                   Identification Data                         ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface IdPayload<Kind extends 'idi' | 'idr' = 'idi' | 'idr'> {
  readonly kind: Kind;
  readonly idType: number;
  /** The 24 reserved bits as received: they are part of the octets that AUTH signs (RFC 7296 §2.15). Zero when sent. */
  readonly reserved: number;
  /** 4 or 16 bytes for the address types; other types are for the identity match to judge. */
  readonly data: Uint8Array;
}

/** Reads the body of an identification payload. */
export function decodeId<Kind extends 'idi' | 'idr'>(reader: Reader, kind: Kind): IdPayload<Kind> | undefined {
  const idType = reader.u8('ID Type');
  const reserved = reader.u24('ID RESERVED');
  const at = reader.offset;
  const data = reader.rest();
  if (reader.failed) return undefined;
  const expected = idType === IdType.ID_IPV4_ADDR ? 4 : idType === IdType.ID_IPV6_ADDR ? 16 : data.length;
  if (data.length !== expected) {
    return reader.fail(
      at,
      'Identification Data',
      `an address of ID type ${idType} has ${expected} bytes, not ${data.length}`,
    );
  }
  return { kind, idType, reserved, data };
}

/** Writes the body of an identification payload. */
export function encodeId(writer: Writer, payload: IdPayload): void {
  writer.u8(payload.idType);
  writer.u24(payload.reserved);
  writer.bytes(payload.data);
}

/** The body on its own, RestOfIDPayload of the octets that AUTH signs (RFC 7296 §2.15). */
export function idPayloadBody(payload: IdPayload): Uint8Array {
  const body = new Uint8Array(4 + payload.data.length);
  body[0] = payload.idType;
  body[1] = payload.reserved >>> 16;
  body[2] = payload.reserved >>> 8;
  body[3] = payload.reserved;
  body.set(payload.data, 4);
  return body;
}
