/** Writes DER for tests: whatever is asked for, in proper form or not. */

export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Uint8Array.from([tag, ...lengthBytes(content.length), ...content]);
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, ...parts);
}

function set(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x31, ...parts);
}

export function context(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return element(0xa0 | number, ...parts);
}

export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(0x06, Uint8Array.from(bytes));
}

export function integer(value: bigint | number): Uint8Array {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return element(0x02, (bytes[0] ?? 0) > 0x7f ? Uint8Array.of(0, ...bytes) : bytes);
}

export function boolean(value: boolean): Uint8Array {
  return element(0x01, Uint8Array.of(value ? 0xff : 0));
}

export function octets(content: Uint8Array): Uint8Array {
  return element(0x04, content);
}

/** Whole bytes. */
export function bits(content: Uint8Array): Uint8Array {
  return element(0x03, Uint8Array.of(0), content);
}

/** Named bits, by their numbers. */
export function namedBits(...numbers: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...numbers);
  const bytes = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const number of numbers) bytes[number >> 3] = (bytes[number >> 3] ?? 0) | (0x80 >> (number & 7));
  return element(0x03, Uint8Array.of(highest < 0 ? 0 : 7 - (highest & 7)), bytes);
}

function utf8(text: string): Uint8Array {
  return element(0x0c, new TextEncoder().encode(text));
}

/** As RFC 5280 §4.1.2.5 wants it: UTCTime until 2049. */
export function time(atMs: number): Uint8Array {
  const digits = `${new Date(atMs).toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`;
  const tag = Number(digits.slice(0, 4)) < 2050 ? 0x17 : 0x18;
  return element(tag, new TextEncoder().encode(tag === 0x17 ? digits.slice(2) : digits));
}

/** What a Name says, from the root down: `{O: ['Mesh', 'Nodes'], CN: 'node-a'}`. */
export type NameAttributes = Readonly<Record<string, string | readonly string[]>>;

/** A Name of one attribute in each part. */
export function name(attributes: NameAttributes): Uint8Array {
  const parts = Object.entries(attributes).flatMap(([type, values]) =>
    [values].flat().map((value) => set(sequence(oid(ATTRIBUTE_TYPES[type] ?? type), utf8(value)))),
  );
  return sequence(...parts);
}

function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

const ATTRIBUTE_TYPES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  E: '1.2.840.113549.1.9.1',
};
