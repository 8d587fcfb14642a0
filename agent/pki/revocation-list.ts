import { hexFromBytes, sameBytes } from '../crypto/bytes.ts';
import { err, ok, type Result } from '../result.ts';
import { readExtension } from './certificate.ts';
import {
  contextTag,
  type DerElement,
  readBitString,
  readBoolean,
  readSequence,
  readSmallInteger,
  readTime,
  readUnsigned,
  Tag,
} from './der.ts';
import { type DistinguishedName, distinguishedNameOf } from './distinguished-name.ts';
import { MAX_EXTENSIONS, MAX_REVOCATIONS } from './limits.ts';

/** A certificate revocation list (RFC 5280 §5), read and in proper form; whether its issuer signed it is not known. */
export interface RevocationList {
  readonly issuer: DistinguishedName;
  readonly thisUpdateMs: number;
  /** Undefined where it never becomes stale. */
  readonly nextUpdateMs: number | undefined;
  /** Serial numbers, in hexadecimal as `Certificate.serial` is. */
  readonly serials: ReadonlySet<string>;
  /** Which certificates it speaks of, all of them unless its issuing distribution point says less. */
  readonly scope: 'all' | 'endEntities' | 'authorities';
  /** What its issuer signed, how, and the signature. */
  readonly signed: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reads a revocation list in DER; the error says why it cannot be used. */
export function readRevocationList(der: Uint8Array): Result<RevocationList, string> {
  const [toBeSigned, algorithm, signatureField, ...more] = readSequence(der, 3) ?? [];
  const signature = readBitString(signatureField);
  if (
    toBeSigned?.tag !== Tag.SEQUENCE ||
    algorithm?.tag !== Tag.SEQUENCE ||
    signature === undefined ||
    more.length > 0
  ) {
    return unreadable('form');
  }
  const fields = toBeSigned.elements(MAX_FIELDS);
  if (fields === undefined) return unreadable('form');
  const versioned = fields[0]?.tag === Tag.INTEGER;
  if (versioned && readSmallInteger(fields[0]) !== 1) return err('is a revocation list of an unknown version');
  const [innerAlgorithm, issuerField, thisUpdate, ...rest] = versioned ? fields.slice(1) : fields;
  const issuer = issuerField && distinguishedNameOf(issuerField);
  const thisUpdateMs = readTime(thisUpdate);
  if (innerAlgorithm === undefined || !sameBytes(innerAlgorithm.encoding, algorithm.encoding))
    return unreadable('algorithm');
  if (issuer === undefined || thisUpdateMs === undefined) return unreadable('issuer or time');
  const nextUpdateMs =
    rest[0]?.tag === Tag.UTC_TIME || rest[0]?.tag === Tag.GENERALIZED_TIME ? readTime(rest.shift()) : null;
  if (nextUpdateMs === undefined) return unreadable('time');
  const serials = rest[0]?.tag === Tag.SEQUENCE ? readEntries(rest.shift() as DerElement) : ok(new Set<string>());
  if (!serials.ok) return serials;
  const scope = readScope(rest[0]);
  if (!scope.ok) return scope;
  return ok({
    issuer,
    thisUpdateMs,
    nextUpdateMs: nextUpdateMs ?? undefined,
    serials: serials.value,
    scope: scope.value,
    signed: toBeSigned.encoding,
    algorithm: algorithm.encoding,
    signature,
  });
}

function readEntries(list: DerElement): Result<Set<string>, string> {
  const entries = list.elements(MAX_REVOCATIONS);
  if (entries === undefined) return unreadable(`list, which may have ${MAX_REVOCATIONS} entries`);
  const serials = new Set<string>();
  for (const entry of entries) {
    const [serial, time, extensions] = (entry.tag === Tag.SEQUENCE && entry.elements(3)) || [];
    const number = serial?.tag === Tag.INTEGER ? readUnsigned(serial) : undefined;
    if (number === undefined || readTime(time) === undefined) return unreadable('entry');
    // A critical extension of an entry may say that it is about a certificate of somebody else (RFC 5280 §5.3.3).
    const critical = extensions && hasCritical(extensions);
    if (critical !== undefined && critical !== false) return err('has entries that only indirect lists have');
    serials.add(hexFromBytes(number));
  }
  return ok(serials);
}

function hasCritical(extensions: DerElement): boolean | 'unreadable' {
  const list = readSequence(extensions.encoding, MAX_EXTENSIONS)?.map(readExtension);
  if (!list?.every((each) => each !== undefined)) return 'unreadable';
  return list.some(({ critical }) => critical);
}

function readScope(wrapper: DerElement | undefined): Result<RevocationList['scope'], string> {
  if (wrapper === undefined) return ok('all');
  if (wrapper.tag !== contextTag(0, true)) return unreadable('form');
  const extensions = readSequence(wrapper.content, MAX_EXTENSIONS)?.map(readExtension);
  if (!extensions?.every((each) => each !== undefined)) return unreadable('list of extensions');
  let scope: RevocationList['scope'] = 'all';
  for (const { oid, critical, value } of extensions) {
    if (oid === DISTRIBUTION_POINT) {
      const read = readDistributionPoint(value);
      if (read === undefined)
        return err('is a list of some revocations only (indirect, or by reason), which is of no use');
      scope = read;
    } else if (critical) return err(`demands that an extension be understood that is not: ${oid}`);
  }
  return ok(scope);
}

/** IssuingDistributionPoint (RFC 5280 §5.2.5); undefined where the list says less than who is revoked. */
function readDistributionPoint(value: Uint8Array): RevocationList['scope'] | undefined {
  const fields = readSequence(value, 6);
  if (fields === undefined) return undefined;
  const flag = (number: number): boolean => {
    const found = fields.find(({ tag }) => tag === contextTag(number, false));
    return found !== undefined && readBoolean(found, found.tag) !== false;
  };
  const [onlyUsers, onlyAuthorities, someReasons, indirect, onlyAttributes] = [1, 2, 3, 4, 5].map(flag);
  if (someReasons || indirect || onlyAttributes || (onlyUsers && onlyAuthorities)) return undefined;
  if (onlyUsers) return 'endEntities';
  return onlyAuthorities ? 'authorities' : 'all';
}

function unreadable(part: string): Result<never, string> {
  return err(`is no certificate revocation list in proper form (${part})`);
}

const MAX_FIELDS = 8;
const DISTRIBUTION_POINT = '2.5.29.28';
