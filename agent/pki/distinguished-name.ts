import { hexFromBytes } from '../crypto/bytes.ts';
import { type DerElement, readOid, readSingle, Tag } from './der.ts';
import { MAX_NAME_PARTS } from './limits.ts';

/** A distinguished name, made ready for comparison (RFC 5280 §7.1). */
export interface DistinguishedName {
  /** From the root down; each part is comparable text, two of which are the same exactly if the parts are. */
  readonly parts: readonly string[];
  /** `CN=node-a, O=Mesh`, for people; without a control character. */
  readonly text: string;
  /** E-mail addresses among its attributes, which name constraints concern too (RFC 5280 §4.2.1.10). */
  readonly emails: readonly string[];
}

/** Reads a Name in DER; undefined for anything that is none. */
export function readDistinguishedName(der: Uint8Array): DistinguishedName | undefined {
  const element = readSingle(der, Tag.SEQUENCE);
  return element && distinguishedNameOf(element);
}

/** The Name that an element is; undefined for any other. */
export function distinguishedNameOf(element: DerElement): DistinguishedName | undefined {
  const sets = element.tag === Tag.SEQUENCE ? element.elements(MAX_NAME_PARTS) : undefined;
  if (sets === undefined) return undefined;
  const parts: string[] = [];
  const texts: string[] = [];
  const emails: string[] = [];
  for (const set of sets) {
    const attributes = set.tag === Tag.SET ? set.elements(MAX_NAME_PARTS) : undefined;
    if (attributes === undefined || attributes.length === 0) return undefined;
    const comparables: string[] = [];
    const shown: string[] = [];
    for (const attribute of attributes) {
      const read = readAttribute(attribute);
      if (read === undefined) return undefined;
      comparables.push(read.comparable);
      shown.push(read.text);
      if (read.email !== undefined) emails.push(read.email);
    }
    parts.push(JSON.stringify(comparables.sort()));
    texts.push(shown.join('+'));
  }
  return { parts, text: texts.reverse().join(', '), emails };
}

/** Whether two names are the same: attribute by attribute, without regard to case, spaces and the type of string. */
export function sameName(left: DistinguishedName, right: DistinguishedName): boolean {
  return left.parts.length === right.parts.length && isWithin(left, right);
}

/** Whether `name` lies at or below `base` (RFC 5280 §4.2.1.10). */
export function isWithin(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.parts.length <= name.parts.length && base.parts.every((part, index) => part === name.parts[index]);
}

interface Attribute {
  readonly comparable: string;
  readonly text: string;
  readonly email: string | undefined;
}

function readAttribute(element: DerElement): Attribute | undefined {
  const fields = element.tag === Tag.SEQUENCE ? element.elements(2) : undefined;
  const [type, value] = fields ?? [];
  const oid = readOid(type);
  if (oid === undefined || value === undefined) return undefined;
  const text = stringText(value);
  const name = ATTRIBUTES[oid] ?? oid;
  if (text === undefined) {
    const bytes = hexFromBytes(value.encoding);
    return { comparable: `${oid}#${bytes}`, text: `${name}=#${bytes.slice(0, 64)}`, email: undefined };
  }
  const comparable = text.normalize('NFKC').toLowerCase().trim().replaceAll(/\s+/g, ' ');
  const email = oid === EMAIL_ADDRESS ? text : undefined;
  return { comparable: `${oid}=${comparable}`, text: `${name}=${printable(text)}`, email };
}

/** The text of a DirectoryString, or of an IA5String; undefined for other types and for bytes that are no text. */
function stringText({ tag, content }: DerElement): string | undefined {
  switch (tag) {
    case Tag.UTF8_STRING:
      try {
        return UTF8.decode(content);
      } catch {
        return undefined;
      }
    case Tag.PRINTABLE_STRING:
    case Tag.IA5_STRING:
      return content.every((byte) => byte < 0x80) ? UTF8.decode(content) : undefined;
    case Tag.TELETEX_STRING:
      return latin1(content);
    case Tag.BMP_STRING:
      return content.length % 2 === 0 ? utf16(content) : undefined;
    default:
      return undefined;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function utf16(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index + 1 < bytes.length; index += 2) {
    text += String.fromCharCode(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  }
  return text;
}

/** A log line or a status must not be forged by whoever writes a certificate. */
function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  return text
    .slice(0, 255)
    .replaceAll(/[\p{C}]/gu, '?')
    .replaceAll(/[,+]/g, '\\$&');
}

/** Text with nothing to replace, as most is: ASCII of a bearable length without control characters, commas and pluses. */
const PLAIN = /^[ -*\-.-~]{0,255}$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true });
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';
/** RFC 4514 §3, and what else certificates often have. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'T',
  '2.5.4.42': 'GN',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  [EMAIL_ADDRESS]: 'E',
};
