import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Key Exchange payload (RFC 7296 §3.4). Whether the length is right for the group is for the key exchange to say.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   Diffie-Hellman Group Num    |           RESERVED            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                       Key Exchange Data                       ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface KePayload {
  readonly kind: 'ke';
  readonly group: number;
  /** At least one byte. */
  readonly data: Uint8Array;
}

/** Reads the body of a KE payload. */
export function decodeKe(reader: Reader): KePayload | undefined {
  const group = reader.u16('Diffie-Hellman Group Num');
  reader.skip(2, 'KE RESERVED');
  if (!reader.failed && reader.remaining === 0) return reader.fail(reader.offset, 'Key Exchange Data', 'is empty');
  const data = reader.rest();
  return reader.failed ? undefined : { kind: 'ke', group, data };
}

/** Writes the body of a KE payload. */
export function encodeKe(writer: Writer, payload: KePayload): void {
  writer.u16(payload.group);
  writer.u16(0);
  writer.bytes(payload.data);
}
