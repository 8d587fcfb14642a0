import { concatenate } from '../crypto/bytes.ts';
import { err, ok, type Result } from '../result.ts';
import { Tag } from './der.ts';
import { MAX_NAME_PARTS } from './limits.ts';

/**
 * Writes a Name in DER from its text, `CN=node-a, OU=Nodes, O=Mesh`: the most specific part first, as RFC 4514 and
 * OpenSSL's `-nameopt RFC2253` have it. A comma, a plus or a backslash in a value stands behind a backslash.
 */
export function encodeDistinguishedName(text: string): Result<Uint8Array, string> {
  const parts: Uint8Array[] = [];
  for (const part of split(text, ',')) {
    const attributes: Uint8Array[] = [];
    for (const attribute of split(part, '+')) {
      const encoded = encodeAttribute(attribute.trim());
      if (!encoded.ok) return encoded;
      attributes.push(encoded.value);
    }
    parts.unshift(element(Tag.SET, attributes.sort(compare)));
  }
  if (parts.length > MAX_NAME_PARTS) return err(`has ${parts.length} parts; at most ${MAX_NAME_PARTS} are allowed`);
  return ok(element(Tag.SEQUENCE, parts));
}

function encodeAttribute(attribute: string): Result<Uint8Array, string> {
  const at = attribute.indexOf('=');
  const type = attribute.slice(0, at).trim();
  const value = attribute
    .slice(at + 1)
    .trim()
    .replaceAll(/\\(.)/g, '$1');
  if (at < 1 || value === '') return err(`has the part "${attribute}", which is not of the form TYPE=value`);
  const known = TYPES[type.toUpperCase()];
  const oid = known?.oid ?? (OID.test(type) ? type : undefined);
  if (oid === undefined)
    return err(`has the type "${type}": known are ${Object.keys(TYPES).join(', ')}, or write its OID`);
  const bytes = new TextEncoder().encode(value);
  const ascii = bytes.every((byte) => byte < 0x80);
  const string = element(known !== undefined && ascii ? known.tag : Tag.UTF8_STRING, [bytes]);
  return ok(element(Tag.SEQUENCE, [encodeOid(oid), string]));
}

/** At separators that do not stand behind a backslash. */
function split(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  let escaped = false;
  for (const character of text) {
    if (character === separator && !escaped) {
      parts.push(part);
      part = '';
    } else part += character;
    escaped = character === '\\' && !escaped;
  }
  return [...parts, part];
}

function encodeOid(oid: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80);
    return groups;
  });
  return element(Tag.OID, [Uint8Array.from(bytes)]);
}

function element(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = concatenate(parts);
  const { length } = content;
  const long = length > 0xff ? [0x82, length >> 8, length & 0xff] : [0x81, length];
  const lengthBytes = length < 0x80 ? [length] : long;
  return concatenate([Uint8Array.from([tag, ...lengthBytes]), content]);
}

/** The order of the elements of a SET in DER (X.690 §11.6). */
function compare(left: Uint8Array, right: Uint8Array): number {
  const place = left.findIndex((byte, index) => byte !== right[index]);
  return place < 0 ? left.length - right.length : (left[place] ?? 0) - (right[place] ?? -1);
}

const OID = /^[0-2](\.\d{1,9}){1,16}$/;
/** Types that people write by name, with the string that RFC 5280 gives them; the others are UTF8String. */
const TYPES: Readonly<Record<string, { readonly oid: string; readonly tag: number }>> = {
  CN: { oid: '2.5.4.3', tag: Tag.UTF8_STRING },
  SERIALNUMBER: { oid: '2.5.4.5', tag: Tag.PRINTABLE_STRING },
  C: { oid: '2.5.4.6', tag: Tag.PRINTABLE_STRING },
  L: { oid: '2.5.4.7', tag: Tag.UTF8_STRING },
  ST: { oid: '2.5.4.8', tag: Tag.UTF8_STRING },
  O: { oid: '2.5.4.10', tag: Tag.UTF8_STRING },
  OU: { oid: '2.5.4.11', tag: Tag.UTF8_STRING },
  UID: { oid: '0.9.2342.19200300.100.1.1', tag: Tag.UTF8_STRING },
  DC: { oid: '0.9.2342.19200300.100.1.25', tag: Tag.IA5_STRING },
  E: { oid: '1.2.840.113549.1.9.1', tag: Tag.IA5_STRING },
};
