import { contextTag, type DerElement, readSingle, Tag } from './der.ts';
import { type DistinguishedName, readDistinguishedName } from './distinguished-name.ts';

/** A name in a certificate or in name constraints (RFC 5280 §4.2.1.6). */
export type GeneralName =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'email'; readonly address: string }
  /** 4 or 16 bytes; in name constraints 8 or 32, the address and its mask. */
  | { readonly kind: 'ip'; readonly bytes: Uint8Array }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'directory'; readonly name: DistinguishedName }
  /** A form that nothing here can compare, by the number of its tag. */
  | { readonly kind: 'other'; readonly form: number };

/** Reads a GeneralName; undefined where it has no proper form. */
export function readGeneralName(element: DerElement): GeneralName | undefined {
  switch (element.tag) {
    case RFC822_NAME:
      return text(element, (address) => ({ kind: 'email', address }));
    case DNS_NAME:
      return text(element, (name) => ({ kind: 'dns', name }));
    case URI:
      return text(element, (uri) => ({ kind: 'uri', uri }));
    case IP_ADDRESS:
      return { kind: 'ip', bytes: element.content };
    case DIRECTORY_NAME: {
      const name = readSingle(element.content, Tag.SEQUENCE) && readDistinguishedName(element.content);
      return name && { kind: 'directory', name };
    }
    default:
      return (element.tag & 0xc0) === 0x80 ? { kind: 'other', form: element.tag & 0x1f } : undefined;
  }
}

/** For people: `DNS node-a.mesh.test`. What a stranger wrote is shortened and has no control character. */
export function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
      return `DNS ${shown(name.name)}`;
    case 'email':
      return `email ${shown(name.address)}`;
    case 'uri':
      return `URI ${shown(name.uri)}`;
    case 'ip':
      return `IP ${ipText(name.bytes)}`;
    case 'directory':
      return `DN ${name.name.text}`;
    case 'other':
      return `a name of form ${name.form}`;
  }
}

/** IA5String without control characters: a zero byte in a name has fooled others. */
function text(element: DerElement, make: (text: string) => GeneralName): GeneralName | undefined {
  if (element.content.length > MAX_TEXT || element.content.some((byte) => byte < 0x20 || byte > 0x7e)) return undefined;
  return make(String.fromCharCode(...element.content));
}

function shown(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}

function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const RFC822_NAME = contextTag(1, false);
const DNS_NAME = contextTag(2, false);
const DIRECTORY_NAME = contextTag(4, true);
const URI = contextTag(6, false);
const IP_ADDRESS = contextTag(7, false);
const MAX_TEXT = 2_048;
const SHOWN = 128;
