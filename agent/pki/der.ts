import { utcMilliseconds } from './utc-time.ts';

/**
 * Reads DER (X.690) as strictly as is needed for bytes that strangers have made: lengths are definite, minimal and within
 * what surrounds them. It never recurses and allocates in proportion to what is there; whoever reads says how many
 * elements a list may have. What is in no proper form is `undefined`, and so is everything read from it.
 */

/** One element: its tag, its content, and all of it. They are views of the bytes that were read. */
export interface DerElement {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  readonly content: Uint8Array;
  readonly encoding: Uint8Array;
}

/** Identifier octets of the types that are met. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  TELETEX_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  UNIVERSAL_STRING: 0x1c,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/** The identifier octet of a context-specific element. */
export function contextTag(number: number, constructed: boolean): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

/** The elements that `bytes` consist of, at most `most`. */
export function readElements(bytes: Uint8Array, most: number): readonly DerElement[] | undefined {
  const elements: DerElement[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const element = elements.length < most ? readElement(bytes, offset) : undefined;
    if (element === undefined) return undefined;
    elements.push(element);
    offset += element.encoding.length;
  }
  return elements;
}

/** The one element that `bytes` consist of. */
export function readSingle(bytes: Uint8Array, tag: number): DerElement | undefined {
  const element = readElement(bytes, 0);
  return element?.tag === tag && element.encoding.length === bytes.length ? element : undefined;
}

/** The elements within the one constructed element that `bytes` consist of. */
export function readSequence(bytes: Uint8Array, most: number, tag: number = Tag.SEQUENCE) {
  const element = readSingle(bytes, tag);
  return element && readElements(element.content, most);
}

/** The content of an INTEGER that is not negative, without the zero that keeps it from being so. */
export function readUnsigned(element: DerElement | undefined): Uint8Array | undefined {
  if (element?.tag !== Tag.INTEGER && element?.tag !== Tag.ENUMERATED) return undefined;
  const [first, second] = element.content;
  if (first === undefined || first > 0x7f) return undefined;
  if (first !== 0 || second === undefined) return element.content;
  return second > 0x7f ? element.content.subarray(1) : undefined;
}

/** An INTEGER from 0 to 2^31. */
export function readSmallInteger(element: DerElement | undefined): number | undefined {
  const bytes = readUnsigned(element);
  if (bytes === undefined || bytes.length > 4) return undefined;
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** A BOOLEAN, whose only forms in DER are 0 and 255. */
export function readBoolean(element: DerElement | undefined): boolean | undefined {
  if (element?.tag !== Tag.BOOLEAN || element.content.length !== 1) return undefined;
  const [value] = element.content;
  return value === 0xff ? true : value === 0 ? false : undefined;
}

/** An OBJECT IDENTIFIER as `1.3.6.1.5.5.7.3.17`. */
export function readOid(element: DerElement | undefined): string | undefined {
  if (element?.tag !== Tag.OID || element.content.length > MAX_OID_BYTES) return undefined;
  const arcs: number[] = [];
  let value = 0;
  let started = false;
  for (const byte of element.content) {
    if (!started && byte === 0x80) return undefined;
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) return undefined;
    started = byte > 0x7f;
    if (started) continue;
    arcs.push(value);
    value = 0;
  }
  const [first, ...rest] = arcs;
  if (first === undefined || started) return undefined;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - 40 * root, ...rest].join('.');
}

/** The bits of a BIT STRING of named bits, the first one as the lowest of the number; at most 32. */
export function readNamedBits(element: DerElement | undefined): number | undefined {
  if (element?.tag !== Tag.BIT_STRING || element.content.length > 5) return undefined;
  const [unused, ...bytes] = element.content;
  if (unused === undefined || unused > 7 || (bytes.length === 0 && unused !== 0)) return undefined;
  let bits = 0;
  for (const [index, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) bits |= 1 << (8 * index + bit);
  }
  return bits >>> 0;
}

/** The bytes of a BIT STRING that holds whole bytes, such as a signature. */
export function readBitString(element: DerElement | undefined): Uint8Array | undefined {
  return element?.tag === Tag.BIT_STRING && element.content[0] === 0 ? element.content.subarray(1) : undefined;
}

/** A UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5, in milliseconds since the epoch. */
export function readTime(element: DerElement | undefined): number | undefined {
  if (element === undefined) return undefined;
  const text = String.fromCharCode(...element.content.subarray(0, 16));
  const pattern =
    element.tag === Tag.UTC_TIME ? UTC_TIME : element.tag === Tag.GENERALIZED_TIME ? FULL_TIME : undefined;
  const match = pattern?.exec(text);
  if (!match) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const fullYear = element.tag === Tag.UTC_TIME ? year + (year < 50 ? 2000 : 1900) : year;
  return utcMilliseconds(fullYear, month, day, hour, minute, second);
}

function readElement(bytes: Uint8Array, offset: number): DerElement | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  // Tags of more than one octet are in nothing that we read.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  let length = first;
  let start = offset + 2;
  if (first > 0x7f) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || start + count > bytes.length || bytes[start] === 0) return undefined;
    length = 0;
    for (const byte of bytes.subarray(start, start + count)) length = length * 256 + byte;
    if (length < 0x80) return undefined;
    start += count;
  }
  if (start + length > bytes.length) return undefined;
  return { tag, content: bytes.subarray(start, start + length), encoding: bytes.subarray(offset, start + length) };
}

/** Longer than any that is registered. */
const MAX_OID_BYTES = 64;
const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const FULL_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
