import type { Reader } from '../reader.ts';
import { EapCode } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * EAP payload (RFC 7296 §3.16) with its EAP message (RFC 3748 §4).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Code      | Identifier    |           Length              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Type      | Type_Data...
 *     +-+-+-+-+-+-+-+-+-+-
 */
export interface EapPayload {
  readonly kind: 'eap';
  readonly code: number;
  readonly identifier: number;
  /** Present in a Request or Response only. */
  readonly eapType: number | undefined;
  /** Type_Data; empty in Success and Failure. */
  readonly data: Uint8Array;
}

/** Reads the body of an EAP payload. */
export function decodeEap(reader: Reader): EapPayload | undefined {
  const size = reader.remaining;
  const at = reader.offset;
  const code = reader.u8('EAP Code');
  const identifier = reader.u8('EAP Identifier');
  const length = reader.u16('EAP Length');
  if (reader.failed) return undefined;
  if (length !== size) return reader.fail(at + 2, 'EAP Length', `is ${length}, the payload has ${size} bytes`);
  const eapType = hasType(code) ? reader.u8('EAP Type') : undefined;
  if (isOutcome(code) && reader.remaining > 0) {
    return reader.fail(at + 2, 'EAP Length', `is ${length}, EAP code ${code} has 4 bytes`);
  }
  const data = reader.rest();
  return reader.failed ? undefined : { kind: 'eap', code, identifier, eapType, data };
}

/** Writes the body of an EAP payload. */
export function encodeEap(writer: Writer, payload: EapPayload): void {
  const start = writer.length;
  writer.u8(payload.code);
  writer.u8(payload.identifier);
  const lengthAt = writer.reserve16();
  if (payload.eapType !== undefined) writer.u8(payload.eapType);
  writer.bytes(payload.data);
  writer.patch16(lengthAt, writer.length - start);
}

function hasType(code: number): boolean {
  return code === EapCode.REQUEST || code === EapCode.RESPONSE;
}

function isOutcome(code: number): boolean {
  return code === EapCode.SUCCESS || code === EapCode.FAILURE;
}
