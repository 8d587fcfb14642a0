import { hexFromBytes, sameBytes } from '../crypto/bytes.ts';
import { err, ok, type Result } from '../result.ts';
import {
  contextTag,
  type DerElement,
  readBitString,
  readBoolean,
  readNamedBits,
  readOid,
  readSequence,
  readSingle,
  readSmallInteger,
  readTime,
  readUnsigned,
  Tag,
} from './der.ts';
import { type DistinguishedName, distinguishedNameOf } from './distinguished-name.ts';
import { type GeneralName, readGeneralName } from './general-name.ts';
import { MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS, MAX_NAMES, MAX_USAGES } from './limits.ts';

/** What a certificate says (RFC 5280 §4.1), read and in proper form; whether it is true is another question. */
export interface Certificate {
  /** The AlgorithmIdentifier of its signature, the same inside and outside. */
  readonly algorithm: Uint8Array;
  /** Hexadecimal. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly authority: boolean;
  /** How many authorities may stand between it and an end entity; undefined for any number. */
  readonly pathLength: number | undefined;
  /** Bits of `KeyUsage`; undefined where it says nothing. */
  readonly keyUsage: number | undefined;
  /** Object identifiers; undefined where it says nothing. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  /** Subject alternative names. */
  readonly names: readonly GeneralName[];
  readonly nameConstraints: NameConstraints | undefined;
  /** Critical extensions that nothing here understands. */
  readonly unknownCritical: readonly string[];
}

/** RFC 5280 §4.2.1.10. */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** Bits of the key usage extension that matter here (RFC 5280 §4.2.1.3). */
export const KeyUsage = { digitalSignature: 1, nonRepudiation: 2, keyCertSign: 32, crlSign: 64 } as const;

/** Reads a certificate in DER; the error says which part has no proper form. */
export function readCertificate(der: Uint8Array): Result<Certificate, string> {
  if (der.length > MAX_CERTIFICATE_BYTES) return err(`has ${der.length} bytes; ${MAX_CERTIFICATE_BYTES} are allowed`);
  const [toBeSigned, algorithm, signature, ...more] = readSequence(der, 4) ?? [];
  if (toBeSigned?.tag !== Tag.SEQUENCE || algorithm?.tag !== Tag.SEQUENCE || more.length > 0) return unreadable('form');
  if (readBitString(signature) === undefined) return unreadable('signature');
  return readBody(toBeSigned, algorithm.encoding);
}

function readBody(toBeSigned: DerElement, outerAlgorithm: Uint8Array): Result<Certificate, string> {
  const fields = toBeSigned.elements(MAX_FIELDS);
  if (fields === undefined) return unreadable('form');
  const [version, serial, algorithm, issuer, validity, subject, publicKey, ...rest] = fields;
  // Extensions, and so everything that makes a certificate fit for IKE, are of version 3.
  const versionNumber = version?.tag === contextTag(0, true) && readSingle(version.content, Tag.INTEGER);
  if (!versionNumber || readSmallInteger(versionNumber) !== 2) return err('is not of version 3');
  const serialNumber = serial?.tag === Tag.INTEGER && readUnsigned(serial);
  if (!serialNumber || serialNumber.length > MAX_SERIAL_BYTES) return unreadable('serial number');
  if (algorithm === undefined || !sameBytes(algorithm.encoding, outerAlgorithm)) {
    return err('names two different algorithms for its signature');
  }
  const issuerName = issuer && distinguishedNameOf(issuer);
  const subjectName = subject && distinguishedNameOf(subject);
  if (issuerName === undefined || issuerName.parts.length === 0) return unreadable('issuer');
  if (subjectName === undefined) return unreadable('subject');
  const [notBefore, notAfter, ...times] = (validity?.tag === Tag.SEQUENCE && validity.elements(3)) || [];
  const [notBeforeMs, notAfterMs] = [readTime(notBefore), readTime(notAfter)];
  if (notBeforeMs === undefined || notAfterMs === undefined || times.length > 0) return unreadable('validity');
  if (publicKey?.tag !== Tag.SEQUENCE) return unreadable('public key');
  // Unique identifiers (tags 1 and 2) are of no use and forbidden, but harmless.
  const extensions = rest.find(({ tag }) => tag === contextTag(3, true));
  const read = readExtensions(extensions);
  if (!read.ok) return read;
  return ok({
    algorithm: outerAlgorithm,
    serial: hexFromBytes(serialNumber),
    issuer: issuerName,
    subject: subjectName,
    notBeforeMs,
    notAfterMs,
    publicKey: publicKey.encoding,
    ...read.value,
  });
}

type Extensions = Pick<
  Certificate,
  'authority' | 'pathLength' | 'keyUsage' | 'extendedKeyUsages' | 'names' | 'nameConstraints' | 'unknownCritical'
>;

function readExtensions(wrapper: DerElement | undefined): Result<Extensions, string> {
  const found: { -readonly [Key in keyof Extensions]: Extensions[Key] } = {
    authority: false,
    pathLength: undefined,
    keyUsage: undefined,
    extendedKeyUsages: undefined,
    names: [],
    nameConstraints: undefined,
    unknownCritical: [],
  };
  if (wrapper === undefined) return ok(found);
  const list = readSequence(wrapper.content, MAX_EXTENSIONS);
  if (list === undefined) return unreadable('list of extensions');
  const seen = new Set<string>();
  for (const element of list) {
    const extension = readExtension(element);
    if (extension === undefined) return unreadable('list of extensions');
    const { oid, critical, value } = extension;
    if (seen.has(oid)) return err(`has the extension ${oid} twice`);
    seen.add(oid);
    const reader = EXTENSIONS[oid];
    if (reader === undefined) {
      if (critical) found.unknownCritical = [...found.unknownCritical, oid];
      continue;
    }
    const read = reader.read(value);
    if (read === undefined) return unreadable(reader.name);
    Object.assign(found, read);
  }
  return ok(found);
}

interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** One entry of a list of extensions; of a certificate, of a revocation list or of its entries. */
export function readExtension(element: DerElement): Extension | undefined {
  const fields = element.tag === Tag.SEQUENCE ? element.elements(3) : undefined;
  if (fields === undefined || fields.length < 2) return undefined;
  const oid = readOid(fields[0]);
  const critical = fields.length === 3 ? readBoolean(fields[1]) : false;
  const value = fields.at(-1);
  if (oid === undefined || critical === undefined || value?.tag !== Tag.OCTET_STRING) return undefined;
  return { oid, critical, value: value.content };
}

function readBasicConstraints(value: Uint8Array): Partial<Extensions> | undefined {
  const fields = readSequence(value, 2);
  if (fields === undefined) return undefined;
  const [first, second] = fields;
  if (first === undefined) return { authority: false };
  const authority = readBoolean(first);
  const pathLength = second && readSmallInteger(second);
  if (authority === undefined || (second !== undefined && pathLength === undefined)) return undefined;
  return { authority, pathLength };
}

function readKeyUsage(value: Uint8Array): Partial<Extensions> | undefined {
  const keyUsage = readNamedBits(readSingle(value, Tag.BIT_STRING));
  return keyUsage === undefined ? undefined : { keyUsage };
}

function readExtendedKeyUsage(value: Uint8Array): Partial<Extensions> | undefined {
  const usages = readSequence(value, MAX_USAGES)?.map(readOid);
  if (usages === undefined || usages.length === 0 || !usages.every((each) => each !== undefined)) return undefined;
  return { extendedKeyUsages: usages };
}

function readAlternativeNames(value: Uint8Array): Partial<Extensions> | undefined {
  const names = readSequence(value, MAX_NAMES)?.map(readGeneralName);
  return names?.every((each) => each !== undefined) === true ? { names } : undefined;
}

function readNameConstraints(value: Uint8Array): Partial<Extensions> | undefined {
  const fields = readSequence(value, 2);
  if (fields === undefined || fields.length === 0) return undefined;
  const lists: Record<number, readonly GeneralName[] | undefined> = {};
  for (const field of fields) {
    const { tag } = field;
    if (tag !== PERMITTED && tag !== EXCLUDED) return undefined;
    const subtrees = field.elements(MAX_NAMES)?.map(readSubtree);
    if (tag in lists || !subtrees?.every((each) => each !== undefined)) return undefined;
    lists[tag] = subtrees;
  }
  return { nameConstraints: { permitted: lists[PERMITTED] ?? [], excluded: lists[EXCLUDED] ?? [] } };
}

/** A minimum or a maximum distance is forbidden (RFC 5280 §4.2.1.10), and nothing here would heed it. */
function readSubtree(element: DerElement): GeneralName | undefined {
  const fields = element.tag === Tag.SEQUENCE ? element.elements(1) : undefined;
  const [base] = fields ?? [];
  return base && readGeneralName(base);
}

function unreadable(part: string): Result<never, string> {
  return err(`is no X.509 certificate in proper form (${part})`);
}

const PERMITTED = contextTag(0, true);
const EXCLUDED = contextTag(1, true);
/** Version to public key, two unique identifiers, extensions. */
const MAX_FIELDS = 10;
/** RFC 5280 §4.1.2.2 */
const MAX_SERIAL_BYTES = 20;
const EXTENSIONS: Readonly<
  Record<string, { readonly name: string; readonly read: (value: Uint8Array) => Partial<Extensions> | undefined }>
> = {
  '2.5.29.15': { name: 'key usage', read: readKeyUsage },
  '2.5.29.17': { name: 'subject alternative names', read: readAlternativeNames },
  '2.5.29.19': { name: 'basic constraints', read: readBasicConstraints },
  '2.5.29.30': { name: 'name constraints', read: readNameConstraints },
  '2.5.29.37': { name: 'extended key usage', read: readExtendedKeyUsage },
  // They say where more may be found, or who issued it: OpenSSL compares the key identifiers, nothing is fetched.
  '2.5.29.14': { name: 'subject key identifier', read: () => ({}) },
  '2.5.29.35': { name: 'authority key identifier', read: () => ({}) },
  '2.5.29.31': { name: 'CRL distribution points', read: () => ({}) },
  '2.5.29.32': { name: 'certificate policies', read: () => ({}) },
};
