import { MAX_CFG_ATTRIBUTES } from '../limits.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * Configuration payload (RFC 7296 §3.15).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   CFG Type    |                    RESERVED                   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                   Configuration Attributes                    ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface CpPayload {
  readonly kind: 'cp';
  readonly cfgType: number;
  readonly attributes: readonly CfgAttribute[];
}

/**
 * Configuration attribute (RFC 7296 §3.15.1).
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |R|         Attribute Type      |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                             Value                             ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
interface CfgAttribute {
  readonly type: number;
  /** Empty in a request that leaves the value to the peer. */
  readonly value: Uint8Array;
}

/** Reads the body of a CP payload. */
export function decodeCp(reader: Reader): CpPayload | undefined {
  const cfgType = reader.u8('CFG Type');
  reader.skip(3, 'CP RESERVED');
  const attributes: CfgAttribute[] = [];
  while (reader.remaining > 0) {
    if (attributes.length === MAX_CFG_ATTRIBUTES) {
      return reader.fail(reader.offset, 'Configuration Attributes', `more than ${MAX_CFG_ATTRIBUTES}`);
    }
    const type = reader.u16('Configuration Attribute Type') & ATTRIBUTE_TYPE;
    const value = reader.bytes(reader.u16('Configuration Attribute Length'), 'Configuration Attribute Value');
    attributes.push({ type, value });
  }
  return reader.failed ? undefined : { kind: 'cp', cfgType, attributes };
}

/** Writes the body of a CP payload. */
export function encodeCp(writer: Writer, payload: CpPayload): void {
  writer.u8(payload.cfgType);
  writer.u24(0);
  for (const attribute of payload.attributes) {
    writer.u16(attribute.type);
    writer.u16(attribute.value.length);
    writer.bytes(attribute.value);
  }
}

const ATTRIBUTE_TYPE = 0x7fff;
