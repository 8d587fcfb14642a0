import { utcMilliseconds } from './utc-time.ts';

/**
 * Reads DER (X.690) as strictly as is needed for bytes that strangers have made: lengths are definite, minimal and within
 * what surrounds them. It never recurses and allocates in proportion to what is there; whoever reads says how many
 * elements a list may have. What is in no proper form is `undefined`, and so is everything read from it.
 */

/** One element: its tag, its content, and all of it. Views of the bytes are made for those only who ask for them. */
export class DerElement {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, contentStart: number, end: number) {
    this.tag = bytes[start] ?? 0;
    this.#bytes = bytes;
    this.#start = start;
    this.#contentStart = contentStart;
    this.#end = end;
  }

  /** A view of the bytes that were read. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#contentStart, this.#end);
  }

  /** A view of the bytes that were read, tag and length included. */
  get encoding(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Where it ends in the bytes that were read. */
  get end(): number {
    return this.#end;
  }

  /** The elements that its content consists of, at most `most`. */
  elements(most: number): readonly DerElement[] | undefined {
    return elementsBetween(this.#bytes, this.#contentStart, this.#end, most);
  }
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
  return elementsBetween(bytes, 0, bytes.length, most);
}

/** The one element that `bytes` consist of. */
export function readSingle(bytes: Uint8Array, tag: number): DerElement | undefined {
  const element = readElement(bytes, 0, bytes.length);
  return element?.tag === tag && element.end === bytes.length ? element : undefined;
}

/** The elements within the one constructed element that `bytes` consist of. */
export function readSequence(bytes: Uint8Array, most: number, tag: number = Tag.SEQUENCE) {
  return readSingle(bytes, tag)?.elements(most);
}

/** The content of an INTEGER that is not negative, without the zero that keeps it from being so. */
export function readUnsigned(element: DerElement | undefined): Uint8Array | undefined {
  if (element?.tag !== Tag.INTEGER && element?.tag !== Tag.ENUMERATED) return undefined;
  const { content } = element;
  const [first, second] = content;
  if (first === undefined || first > 0x7f) return undefined;
  if (first !== 0 || second === undefined) return content;
  return second > 0x7f ? content.subarray(1) : undefined;
}

/** An INTEGER from 0 to 2^31. */
export function readSmallInteger(element: DerElement | undefined): number | undefined {
  const bytes = readUnsigned(element);
  if (bytes === undefined || bytes.length > 4) return undefined;
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** A BOOLEAN, whose only forms in DER are 0 and 255; `tag` where it has one of its context. */
export function readBoolean(element: DerElement | undefined, tag: number = Tag.BOOLEAN): boolean | undefined {
  if (element?.tag !== tag) return undefined;
  const { content } = element;
  if (content.length !== 1) return undefined;
  const [value] = content;
  return value === 0xff ? true : value === 0 ? false : undefined;
}

/** An OBJECT IDENTIFIER as `1.3.6.1.5.5.7.3.17`. */
export function readOid(element: DerElement | undefined): string | undefined {
  if (element?.tag !== Tag.OID) return undefined;
  const { content } = element;
  if (content.length > MAX_OID_BYTES) return undefined;
  let text = '';
  let value = 0;
  let started = false;
  for (const byte of content) {
    if (!started && byte === 0x80) return undefined;
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) return undefined;
    started = byte > 0x7f;
    if (started) continue;
    text += text === '' ? firstArcs(value) : `.${value}`;
    value = 0;
  }
  return text === '' || started ? undefined : text;
}

/** The bits of a BIT STRING of named bits, the first one as the lowest of the number; at most 32. */
export function readNamedBits(element: DerElement | undefined): number | undefined {
  if (element?.tag !== Tag.BIT_STRING) return undefined;
  const { content } = element;
  if (content.length > 5) return undefined;
  const [unused, ...bytes] = content;
  if (unused === undefined || unused > 7 || (bytes.length === 0 && unused !== 0)) return undefined;
  let bits = 0;
  for (const [index, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) bits |= 1 << (8 * index + bit);
  }
  return bits >>> 0;
}

/** The bytes of a BIT STRING that holds whole bytes, such as a signature. */
export function readBitString(element: DerElement | undefined): Uint8Array | undefined {
  if (element?.tag !== Tag.BIT_STRING) return undefined;
  const { content } = element;
  return content[0] === 0 ? content.subarray(1) : undefined;
}

/** A UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5, in milliseconds since the epoch. */
export function readTime(element: DerElement | undefined): number | undefined {
  if (element === undefined) return undefined;
  const { tag, content } = element;
  const yearDigits = tag === Tag.UTC_TIME ? 2 : tag === Tag.GENERALIZED_TIME ? 4 : undefined;
  if (yearDigits === undefined || content.length !== yearDigits + 11 || content.at(-1) !== ZULU) return undefined;
  if (!content.subarray(0, -1).every((byte) => byte >= DIGIT_0 && byte <= DIGIT_9)) return undefined;
  const pair = (at: number): number => 10 * ((content[at] ?? 0) - DIGIT_0) + (content[at + 1] ?? 0) - DIGIT_0;
  const short = pair(0);
  const year = yearDigits === 4 ? 100 * short + pair(2) : short + (short < 50 ? 2000 : 1900);
  const at = yearDigits;
  return utcMilliseconds(year, pair(at), pair(at + 2), pair(at + 4), pair(at + 6), pair(at + 8));
}

/** The first two arcs of an OID, which share a number (X.690 §8.19.4). */
function firstArcs(value: number): string {
  const root = Math.min(2, Math.floor(value / 40));
  return `${root}.${value - 40 * root}`;
}

function elementsBetween(
  bytes: Uint8Array,
  from: number,
  end: number,
  most: number,
): readonly DerElement[] | undefined {
  const elements: DerElement[] = [];
  for (let offset = from; offset < end; ) {
    const element = elements.length < most ? readElement(bytes, offset, end) : undefined;
    if (element === undefined) return undefined;
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** The element that begins at `offset`; it may reach to `end`. */
function readElement(bytes: Uint8Array, offset: number, end: number): DerElement | undefined {
  const [tag, first] = [bytes[offset], bytes[offset + 1]];
  // Tags of more than one octet are in nothing that we read.
  if (tag === undefined || first === undefined || offset + 2 > end || (tag & 0x1f) === 0x1f) return undefined;
  let length = first;
  let start = offset + 2;
  if (first > 0x7f) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || start + count > end || bytes[start] === 0) return undefined;
    length = 0;
    for (let index = start; index < start + count; index += 1) length = length * 256 + (bytes[index] ?? 0);
    if (length < 0x80) return undefined;
    start += count;
  }
  if (start + length > end) return undefined;
  return new DerElement(bytes, offset, start, start + length);
}

/** Longer than any that is registered. */
const MAX_OID_BYTES = 64;
const [DIGIT_0, DIGIT_9, ZULU] = [0x30, 0x39, 0x5a];
