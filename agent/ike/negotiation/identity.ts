import { sameBytes } from '../../crypto/bytes.ts';
import { readDistinguishedName, sameName } from '../../pki/distinguished-name.ts';
import { ipAddressFromBytes } from '../../wire/ip-address.ts';
import { IdType } from '../../wire/registry.ts';
import type { Identity } from '../types.ts';

/**
 * Whether two identities are of one type and equal byte for byte; FQDNs and e-mail domains without regard to case,
 * distinguished names as RFC 5280 §7.1 compares them.
 */
export function sameIdentity(left: Identity, right: Identity): boolean {
  if (left.idType !== right.idType) return false;
  if (left.idType === IdType.ID_DER_ASN1_DN) return sameDistinguishedName(left.data, right.data);
  if (left.data.length !== right.data.length) return false;
  return sameBytes(left.data, right.data) || (CASELESS.has(left.idType) && sameFolded(left.data, right.data));
}

/** Of two of one length. */
function sameFolded(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, index) => lowerCase(byte) === lowerCase(right[index] ?? 0));
}

/** An order of identities that both ends see alike: by type, then by bytes. Negative when `left` is the lower. */
export function compareIdentities(left: Identity, right: Identity): number {
  if (left.idType !== right.idType) return left.idType - right.idType;
  const length = Math.min(left.data.length, right.data.length);
  for (let index = 0; index < length; index += 1) {
    const difference = lowerCase(left.data[index] ?? 0) - lowerCase(right.data[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.data.length - right.data.length;
}

/**
 * For people: the name, the address, or the bytes in hexadecimal. Never a control character: names come from the
 * network.
 */
export function identityText(identity: Identity): string {
  switch (identity.idType) {
    case IdType.ID_FQDN:
    case IdType.ID_RFC822_ADDR:
      return printable(identity.data);
    case IdType.ID_IPV4_ADDR:
    case IdType.ID_IPV6_ADDR:
      return identity.data.length === 4 || identity.data.length === 16
        ? ipAddressFromBytes(identity.data)
        : hexadecimal(identity.data);
    case IdType.ID_DER_ASN1_DN:
      return readDistinguishedName(identity.data)?.text ?? hexadecimal(identity.data);
    case IdType.ID_KEY_ID:
      return `keyid:${hexadecimal(identity.data)}`;
    default:
      return `id${identity.idType}:${hexadecimal(identity.data)}`;
  }
}

function sameDistinguishedName(left: Uint8Array, right: Uint8Array): boolean {
  const [leftName, rightName] = [readDistinguishedName(left), readDistinguishedName(right)];
  return leftName !== undefined && rightName !== undefined && sameName(leftName, rightName);
}

function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, SHOWN_BYTES)) {
    text += byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return bytes.length > SHOWN_BYTES ? `${text}...` : text;
}

function hexadecimal(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, SHOWN_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return bytes.length > SHOWN_BYTES ? `${shown}...` : shown;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

const CASELESS: ReadonlySet<number> = new Set([IdType.ID_FQDN, IdType.ID_RFC822_ADDR]);
/** Enough for a DNS name; a log line must not grow with what a stranger sends. */
const SHOWN_BYTES = 255;
