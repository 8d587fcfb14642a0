import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** A payload whose type this codec does not know: skipped if it is not critical (RFC 7296 §2.5). */
export interface UnknownPayload {
  readonly kind: 'unknown';
  readonly type: number;
  /** The C bit: the sender wants the whole message refused by a peer that does not know the type. */
  readonly critical: boolean;
  readonly data: Uint8Array;
}

/** Keeps the body of a payload of unknown type. */
export function decodeUnknown(reader: Reader, type: number, critical: boolean): UnknownPayload {
  return { kind: 'unknown', type, critical, data: reader.rest() };
}

/** Writes the body of a payload of unknown type. */
export function encodeUnknown(writer: Writer, payload: UnknownPayload): void {
  writer.bytes(payload.data);
}
