import { err, ok, type Result } from '../result.ts';
import { IdType } from '../wire/registry.ts';
import type { Certificate } from './certificate.ts';
import { readDistinguishedName, sameName } from './distinguished-name.ts';
import { generalNameText } from './general-name.ts';

/** An identity as it stands in IDi and IDr (RFC 7296 §3.5). */
interface Identity {
  readonly idType: number;
  readonly data: Uint8Array;
}

/**
 * Whether a certificate is for an identity (RFC 4945 §3.1): a name in it equals the identity, of the same kind and as a
 * whole. A wildcard stands for nobody, and a common name is no name.
 */
export function matchIdentity(certificate: Certificate, identity: Identity): Result<void, string> {
  const matches = matcher(identity);
  if (matches === undefined) {
    return err('an identity of this type cannot be proven by a certificate: use fqdn, email, ip or dn');
  }
  if (matches(certificate)) return ok(undefined);
  return err(`the certificate is for ${namesText(certificate)}, not for this identity`);
}

/** The names that a certificate is for, as far as there is room for them in a log line. */
function namesText(certificate: Certificate): string {
  const names = certificate.names.map(generalNameText);
  if (certificate.subject.parts.length > 0) names.push(`DN ${certificate.subject.text}`);
  const shown = names.slice(0, SHOWN_NAMES).join(', ');
  if (names.length === 0) return 'nobody';
  return names.length > SHOWN_NAMES ? `${shown} and ${names.length - SHOWN_NAMES} more` : shown;
}

function matcher({ idType, data }: Identity): ((certificate: Certificate) => boolean) | undefined {
  switch (idType) {
    case IdType.ID_FQDN: {
      const wanted = lowerCase(ascii(data));
      return ({ names }) => names.some((each) => each.kind === 'dns' && lowerCase(each.name) === wanted);
    }
    case IdType.ID_RFC822_ADDR: {
      const wanted = foldedMailbox(ascii(data));
      return ({ names }) => names.some((each) => each.kind === 'email' && foldedMailbox(each.address) === wanted);
    }
    case IdType.ID_IPV4_ADDR:
    case IdType.ID_IPV6_ADDR: {
      const { length } = data;
      if (length !== (idType === IdType.ID_IPV4_ADDR ? 4 : 16)) return () => false;
      const same = (bytes: Uint8Array) => bytes.length === length && bytes.every((byte, index) => byte === data[index]);
      return ({ names }) => names.some((each) => each.kind === 'ip' && same(each.bytes));
    }
    case IdType.ID_DER_ASN1_DN: {
      const wanted = readDistinguishedName(data);
      if (wanted === undefined || wanted.parts.length === 0) return () => false;
      return ({ subject, names }) =>
        sameName(subject, wanted) || names.some((each) => each.kind === 'directory' && sameName(each.name, wanted));
    }
    default:
      return undefined;
  }
}

/** The local part of a mailbox is the host's own business, its domain is a DNS name (RFC 5280 §7.5). */
function foldedMailbox(mailbox: string): string {
  const at = mailbox.lastIndexOf('@');
  return mailbox.slice(0, at + 1) + lowerCase(mailbox.slice(at + 1));
}

/** Bytes that are no ASCII become what no name in a certificate has. */
function ascii(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : '\uFFFD';
  return text;
}

/** Of ASCII letters only: other letters have no place in these names, and no case that everybody agrees on. */
function lowerCase(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

const SHOWN_NAMES = 8;
