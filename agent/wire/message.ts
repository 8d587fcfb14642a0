import { err, ok, type Result } from '../result.ts';
import {
  decodeHeader,
  HEADER_BYTES,
  type Header,
  type HeaderFields,
  MAJOR_VERSION,
  patchHeaderLength,
  writeHeader,
} from './header.ts';
import { MAX_INNER_PAYLOADS, MAX_OUTER_PAYLOADS } from './limits.ts';
import { type Malformed, malformed } from './malformed.ts';
import { decodeSk, decodeSkf, type ProtectedPayload } from './payloads/encrypted.ts';
import { decodeBody, encodeBody, type Payload, payloadTypeOf } from './payloads/payload.ts';
import { Reader } from './reader.ts';
import { PayloadType } from './registry.ts';
import { Writer } from './writer.ts';

/** A datagram taken apart as far as is possible without keys. */
export interface Message {
  readonly header: Header;
  /** The unprotected payloads in order: all of IKE_SA_INIT, normally none elsewhere. */
  readonly payloads: readonly Payload[];
  /** SK or SKF, which ends a message; undefined in IKE_SA_INIT. */
  readonly protected: ProtectedPayload | undefined;
}

/** Payloads as they stand one behind the other, and the type of the first, which what precedes them must carry. */
export interface PayloadChain {
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** Takes a whole datagram apart; a major version other than 2 is malformed here (see `decodeHeader`). */
export function decodeMessage(bytes: Uint8Array): Result<Message, Malformed> {
  const header = decodeHeader(bytes);
  return header.ok ? decodeMessageBody(header.value, bytes) : header;
}

/** Takes the payloads of a datagram apart whose header `decodeHeader` has read, so that it is read once. */
export function decodeMessageBody(header: Header, bytes: Uint8Array): Result<Message, Malformed> {
  if (header.majorVersion !== MAJOR_VERSION) {
    return err(malformed(VERSION_OFFSET, 'Major Version', `is ${header.majorVersion}, these payloads are of 2`));
  }
  const reader = Reader.over(bytes);
  reader.skip(HEADER_BYTES, 'IKE header');
  const payloads: Payload[] = [];
  const protectedPayload = readChain(reader, header.nextPayload, payloads, MAX_OUTER_PAYLOADS, true);
  const { failure } = reader;
  return failure === undefined ? ok({ header, payloads, protected: protectedPayload }) : err(failure);
}

/** Takes the decrypted payloads of SK, or of all SKF joined, apart; SK and SKF cannot stand among them. */
export function decodePayloads(first: number, bytes: Uint8Array): Result<readonly Payload[], Malformed> {
  const reader = Reader.over(bytes);
  const payloads: Payload[] = [];
  readChain(reader, first, payloads, MAX_INNER_PAYLOADS, false);
  const { failure } = reader;
  return failure === undefined ? ok(payloads) : err(failure);
}

/** The bytes of a message without protection: IKE_SA_INIT, or an error about an unknown IKE SA. */
export function encodeMessage(header: HeaderFields, payloads: readonly Payload[]): Uint8Array {
  scratch.clear();
  writeHeader(scratch, header, firstTypeOf(payloads));
  writeChain(scratch, payloads);
  patchHeaderLength(scratch);
  return scratch.finish();
}

/** How long `encodeMessage` makes a message of these payloads. */
export function messageBytes(payloads: readonly Payload[]): number {
  scratch.clear();
  writeChain(scratch, payloads);
  return HEADER_BYTES + scratch.length;
}

/** The bytes of payloads alone, as they stand inside of SK. */
export function encodePayloads(payloads: readonly Payload[]): PayloadChain {
  scratch.clear();
  writeChain(scratch, payloads);
  return { first: firstTypeOf(payloads), bytes: scratch.finish() };
}

/** The type of the first of these payloads; 0 for none. */
export function firstTypeOf(payloads: readonly Payload[]): number {
  const [first] = payloads;
  return first === undefined ? PayloadType.NONE : payloadTypeOf(first);
}

/**
 * Writes payloads, each with its generic header (RFC 7296 §3.2).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function writeChain(writer: Writer, payloads: readonly Payload[]): void {
  for (let i = 0; i < payloads.length; i++) {
    const payload = payloads[i] as Payload;
    const next = payloads[i + 1];
    const start = writer.length;
    writer.u8(next === undefined ? PayloadType.NONE : payloadTypeOf(next));
    writer.u8(payload.kind === 'unknown' && payload.critical ? CRITICAL : 0);
    const lengthAt = writer.reserve16();
    encodeBody(writer, payload);
    writer.patch16(lengthAt, writer.length - start);
  }
}

/** Reads generic header and body of one payload after the other into `payloads`; the failure stays in the reader. */
function readChain(
  reader: Reader,
  first: number,
  payloads: Payload[],
  limit: number,
  outermost: boolean,
): ProtectedPayload | undefined {
  let type = first;
  for (let count = 0; type !== PayloadType.NONE; count++) {
    const at = reader.offset;
    if (count === limit) return reader.fail(at, 'Next Payload', `more than ${limit} payloads`);
    const next = reader.u8('Next Payload');
    const critical = (reader.u8('Critical') & CRITICAL) !== 0;
    const body = reader.part(reader.u16('Payload Length') - GENERIC_HEADER_BYTES, 'Payload Length');
    if (reader.failed) return undefined;
    if (type === PayloadType.SK || type === PayloadType.SKF) {
      if (!outermost) return reader.fail(at, 'Next Payload', `payload ${type} stands inside of SK`);
      if (reader.remaining > 0) return reader.fail(at, 'Payload Length', 'SK is not the last payload');
      return type === PayloadType.SK ? decodeSk(body, next) : decodeSkf(body, next);
    }
    const payload = decodeBody(body, type, critical);
    if (payload === undefined) return undefined;
    payloads.push(payload);
    type = next;
  }
  if (reader.remaining > 0)
    reader.fail(reader.offset, 'Next Payload', `${reader.remaining} bytes follow the last payload`);
  return undefined;
}

const VERSION_OFFSET = 17;
const GENERIC_HEADER_BYTES = 4;
const CRITICAL = 0x80;
/** Reused for every message: encoding neither waits nor nests, and what leaves it is a copy of the written part. */
const scratch = new Writer(4096);
