import { MAX_PROPOSALS, MAX_TRANSFORM_ATTRIBUTES } from '../limits.ts';
import type { Reader } from '../reader.ts';
import { Protocol } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * Security Association payload (RFC 7296 §3.3): proposals in order of preference, or in a response the accepted one.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                          <Proposals>                          ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface SaPayload {
  readonly kind: 'sa';
  readonly proposals: readonly Proposal[];
}

/**
 * Proposal substructure (RFC 7296 §3.3.1).
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Last Substruc |   RESERVED    |         Proposal Length       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                        SPI (variable)                         ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                        <Transforms>                           ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface Proposal {
  /** From 1 in steps of one; in a response the number of the accepted proposal. */
  readonly number: number;
  readonly protocol: number;
  /** Empty or 8 bytes for IKE, 4 for AH and ESP: the SPI on which the sender will receive. */
  readonly spi: Uint8Array;
  /** At most 255. */
  readonly transforms: readonly Transform[];
}

/**
 * Transform substructure (RFC 7296 §3.3.2).
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Last Substruc |   RESERVED    |        Transform Length       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |Transform Type |   RESERVED    |          Transform ID         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                      Transform Attributes                     ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface Transform {
  readonly type: number;
  readonly id: number;
  readonly attributes: readonly TransformAttribute[];
}

/**
 * Transform attribute (RFC 7296 §3.3.5): with AF set a 16-bit value, else a length and that many bytes.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |A|       Attribute Type        |    AF=0  Attribute Length     |
 *     |F|                             |    AF=1  Attribute Value      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                   AF=0  Attribute Value                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export type TransformAttribute =
  | { readonly type: number; readonly value: number }
  | { readonly type: number; readonly bytes: Uint8Array };

/** Reads the body of an SA payload. */
export function decodeSa(reader: Reader): SaPayload | undefined {
  const proposals: Proposal[] = [];
  for (let more = true; more; ) {
    const at = reader.offset;
    const last = reader.u8('Proposal Last Substruc');
    reader.skip(1, 'Proposal RESERVED');
    const body = reader.part(reader.u16('Proposal Length') - 4, 'Proposal Length');
    const proposal = decodeProposal(body);
    if (proposal === undefined) return undefined;
    const previous = proposals[proposals.length - 1];
    if (previous !== undefined && proposal.number !== previous.number + 1) {
      return reader.fail(at + 4, 'Proposal Num', `${proposal.number} follows ${previous.number}`);
    }
    if (proposals.push(proposal) > MAX_PROPOSALS) {
      return reader.fail(at, 'SA payload', `more than ${MAX_PROPOSALS} proposals`);
    }
    more = reader.remaining > 0;
    if (last !== (more ? MORE_PROPOSALS : LAST)) return failLast(reader, at, 'Proposal', last, more);
  }
  return { kind: 'sa', proposals };
}

function decodeProposal(reader: Reader): Proposal | undefined {
  const at = reader.offset;
  const number = reader.u8('Proposal Num');
  const protocol = reader.u8('Proposal Protocol ID');
  const spiSize = reader.u8('Proposal SPI Size');
  const count = reader.u8('Num Transforms');
  if (reader.failed) return undefined;
  if (!isSpiSizeOf(protocol, spiSize)) {
    return reader.fail(at + 2, 'Proposal SPI Size', `${spiSize} is no SPI size of protocol ${protocol}`);
  }
  const spi = reader.bytes(spiSize, 'Proposal SPI');
  if (!reader.failed && isReservedSpi(protocol, spi)) {
    return reader.fail(at + 4, 'Proposal SPI', 'is zero or, for AH and ESP, reserved (0 to 255)');
  }
  const transforms: Transform[] = [];
  for (let i = 1; i <= count; i++) {
    const transform = decodeTransform(reader, i < count);
    if (transform === undefined) return undefined;
    transforms.push(transform);
  }
  if (reader.remaining > 0) {
    return reader.fail(reader.offset, 'Proposal Length', `${reader.remaining} bytes follow the ${count} transforms`);
  }
  return reader.failed ? undefined : { number, protocol, spi, transforms };
}

function decodeTransform(outer: Reader, more: boolean): Transform | undefined {
  const at = outer.offset;
  const last = outer.u8('Transform Last Substruc');
  outer.skip(1, 'Transform RESERVED');
  const reader = outer.part(outer.u16('Transform Length') - 4, 'Transform Length');
  const type = reader.u8('Transform Type');
  reader.skip(1, 'Transform RESERVED');
  const id = reader.u16('Transform ID');
  if (reader.failed) return undefined;
  if (last !== (more ? MORE_TRANSFORMS : LAST)) return failLast(outer, at, 'Transform', last, more);
  if (reader.remaining === 0) return { type, id, attributes: NO_ATTRIBUTES };
  const attributes: TransformAttribute[] = [];
  while (reader.remaining > 0) {
    if (attributes.length === MAX_TRANSFORM_ATTRIBUTES) {
      return reader.fail(reader.offset, 'Transform', `more than ${MAX_TRANSFORM_ATTRIBUTES} attributes`);
    }
    const typeAndFormat = reader.u16('Attribute Type');
    if ((typeAndFormat & SHORT_FORMAT) !== 0) {
      attributes.push({ type: typeAndFormat & ~SHORT_FORMAT, value: reader.u16('Attribute Value') });
    } else {
      attributes.push({ type: typeAndFormat, bytes: reader.bytes(reader.u16('Attribute Length'), 'Attribute Value') });
    }
  }
  return reader.failed ? undefined : { type, id, attributes };
}

function isSpiSizeOf(protocol: number, size: number): boolean {
  switch (protocol) {
    case Protocol.IKE:
      return size === 0 || size === 8;
    case Protocol.AH:
    case Protocol.ESP:
      return size === 4;
    default:
      return true;
  }
}

/** RFC 4303 §2.1 and RFC 4302 §2.4 reserve 0 to 255; RFC 7296 §3.1 forbids zero for an IKE SA. */
function isReservedSpi(protocol: number, spi: Uint8Array): boolean {
  switch (protocol) {
    case Protocol.IKE:
      return spi.length > 0 && spi.every((byte) => byte === 0);
    case Protocol.AH:
    case Protocol.ESP:
      return spi[0] === 0 && spi[1] === 0 && spi[2] === 0;
    default:
      return false;
  }
}

function failLast(reader: Reader, at: number, name: string, found: number, more: boolean): undefined {
  const what = more ? `another ${name.toLowerCase()} follows` : `no ${name.toLowerCase()} follows`;
  return reader.fail(at, `${name} Last Substruc`, `is ${found} although ${what}`);
}

/** Writes the body of an SA payload. */
export function encodeSa(writer: Writer, payload: SaPayload): void {
  const { proposals } = payload;
  for (let i = 0; i < proposals.length; i++) {
    const proposal = proposals[i] as Proposal;
    const start = writer.length;
    writer.u8(i + 1 < proposals.length ? MORE_PROPOSALS : LAST);
    writer.u8(0);
    const lengthAt = writer.reserve16();
    writer.u8(proposal.number);
    writer.u8(proposal.protocol);
    writer.u8(proposal.spi.length);
    writer.u8(proposal.transforms.length);
    writer.bytes(proposal.spi);
    for (let k = 0; k < proposal.transforms.length; k++) {
      encodeTransform(writer, proposal.transforms[k] as Transform, k + 1 < proposal.transforms.length);
    }
    writer.patch16(lengthAt, writer.length - start);
  }
}

function encodeTransform(writer: Writer, transform: Transform, more: boolean): void {
  const start = writer.length;
  writer.u8(more ? MORE_TRANSFORMS : LAST);
  writer.u8(0);
  const lengthAt = writer.reserve16();
  writer.u8(transform.type);
  writer.u8(0);
  writer.u16(transform.id);
  for (const attribute of transform.attributes) {
    if ('value' in attribute) {
      writer.u16(SHORT_FORMAT | attribute.type);
      writer.u16(attribute.value);
    } else {
      writer.u16(attribute.type);
      writer.u16(attribute.bytes.length);
      writer.bytes(attribute.bytes);
    }
  }
  writer.patch16(lengthAt, writer.length - start);
}

const LAST = 0;
const MORE_PROPOSALS = 2;
const MORE_TRANSFORMS = 3;
const SHORT_FORMAT = 0x8000;
const NO_ATTRIBUTES: readonly TransformAttribute[] = [];
