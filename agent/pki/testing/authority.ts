import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

import { encodeScheme } from '../algorithm-identifier.ts';
import { SCHEMES, type SignatureScheme } from '../signature-scheme.ts';
import {
  bits,
  boolean,
  context,
  element,
  integer,
  type NameAttributes,
  name,
  namedBits,
  octets,
  oid,
  sequence,
  time,
} from './der-writer.ts';

/** Kinds of keys that tests make. RSA keys take a while: there is one for all. */
export type TestKeyKind = 'rsa' | 'ecdsaP256' | 'ecdsaP384' | 'ecdsaP521' | 'ed25519' | 'ed448';

/** The time at which test certificates are valid, unless told otherwise. */
export const TEST_TIME = Date.UTC(2026, 10, 27, 12);
const DAY = 86_400_000;

/** An extension with its value in DER. */
export interface TestExtension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

/** What a certificate is to say; what is left out is as it should be. */
export interface TestCertificateOptions {
  readonly subject?: NameAttributes;
  readonly key?: KeyObject;
  /** SubjectPublicKeyInfo in place of that of `key`. */
  readonly publicKey?: Uint8Array;
  readonly serial?: bigint;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Subject alternative names as GeneralNames in DER (`dns`, `ip` and so on make them). */
  readonly names?: readonly Uint8Array[];
  /** Basic constraints; absent for an end entity. */
  readonly authority?: boolean;
  readonly pathLength?: number;
  /** Numbers of the key usage bits; none leaves the extension out. */
  readonly keyUsage?: readonly number[];
  readonly extendedKeyUsages?: readonly string[];
  readonly permitted?: readonly Uint8Array[];
  readonly excluded?: readonly Uint8Array[];
  readonly extensions?: readonly TestExtension[];
  readonly scheme?: SignatureScheme;
  /** Replaces the issuer's name. */
  readonly issuer?: NameAttributes;
}

/** A certificate of a test with its private key. */
export interface TestCertificate {
  readonly der: Uint8Array;
  readonly key: KeyObject;
}

/** An authority of a test: it signs whatever it is asked to. */
export class TestAuthority {
  readonly subject: NameAttributes;
  readonly key: KeyObject;
  readonly der: Uint8Array;

  constructor(subject: NameAttributes, key: KeyObject, der: Uint8Array) {
    this.subject = subject;
    this.key = key;
    this.der = der;
  }

  /** An authority that nobody is above. */
  static root(
    commonName = 'Root',
    kind: TestKeyKind = 'ecdsaP256',
    options: TestCertificateOptions = {},
  ): TestAuthority {
    const key = options.key ?? testKey(kind);
    const subject = options.subject ?? { O: 'Mesh', CN: commonName };
    const own = new TestAuthority(subject, key, new Uint8Array(0));
    return new TestAuthority(subject, key, own.issue({ ...AUTHORITY, ...options, subject, key }).der);
  }

  /** An authority below this one. */
  intermediate(
    commonName: string,
    options: TestCertificateOptions = {},
    kind: TestKeyKind = 'ecdsaP256',
  ): TestAuthority {
    const key = options.key ?? testKey(kind);
    const subject = options.subject ?? { O: 'Mesh', CN: commonName };
    return new TestAuthority(subject, key, this.issue({ ...AUTHORITY, ...options, subject, key }).der);
  }

  /** An end entity's certificate for an FQDN. */
  node(fqdn: string, options: TestCertificateOptions = {}, kind: TestKeyKind = 'ecdsaP256'): TestCertificate {
    const key = options.key ?? testKey(kind);
    return this.issue({ names: [dns(fqdn)], keyUsage: [0], subject: {}, ...options, key });
  }

  issue(options: TestCertificateOptions): TestCertificate {
    const { key = testKey('ecdsaP256'), subject = {}, serial = nextSerial(), issuer = this.subject } = options;
    const { notBeforeMs = TEST_TIME - DAY, notAfterMs = TEST_TIME + 30 * DAY } = options;
    const scheme = options.scheme ?? ownScheme(this.key);
    const body = sequence(
      context(0, integer(2)),
      integer(serial),
      encodeScheme(scheme),
      name(issuer),
      sequence(time(notBeforeMs), time(notAfterMs)),
      name(subject),
      options.publicKey ?? spki(key),
      context(3, sequence(...extensionsOf(options).map(extension))),
    );
    return { der: sequence(body, encodeScheme(scheme), bits(signedBy(this.key, scheme, body))), key };
  }

  /** A revocation list of these serial numbers. */
  revocationList(
    serials: readonly bigint[],
    options: {
      readonly thisUpdateMs?: number;
      readonly nextUpdateMs?: number | undefined;
      readonly extensions?: readonly TestExtension[];
      /** Of each entry. */
      readonly entryExtensions?: readonly TestExtension[];
      readonly key?: KeyObject;
    } = {},
  ): Uint8Array {
    const { thisUpdateMs = TEST_TIME - DAY, nextUpdateMs = TEST_TIME + DAY, extensions = [], key = this.key } = options;
    const scheme = ownScheme(key);
    const { entryExtensions = [] } = options;
    const entryFields = entryExtensions.length === 0 ? [] : [sequence(...entryExtensions.map(extension))];
    const body = sequence(
      integer(1),
      encodeScheme(scheme),
      name(this.subject),
      time(thisUpdateMs),
      ...('nextUpdateMs' in options && options.nextUpdateMs === undefined ? [] : [time(nextUpdateMs)]),
      ...(serials.length === 0
        ? []
        : [sequence(...serials.map((each) => sequence(integer(each), time(thisUpdateMs), ...entryFields)))]),
      ...(extensions.length === 0 ? [] : [context(0, sequence(...extensions.map(extension)))]),
    );
    return sequence(body, encodeScheme(scheme), bits(signedBy(key, scheme, body)));
  }
}

/** GeneralNames (RFC 5280 §4.2.1.6). */
export function dns(text: string): Uint8Array {
  return element(0x82, new TextEncoder().encode(text));
}

export function email(text: string): Uint8Array {
  return element(0x81, new TextEncoder().encode(text));
}

export function uri(text: string): Uint8Array {
  return element(0x86, new TextEncoder().encode(text));
}

export function ip(...bytes: readonly number[]): Uint8Array {
  return element(0x87, Uint8Array.from(bytes));
}

export function directory(attributes: NameAttributes): Uint8Array {
  return context(4, name(attributes));
}

/** A fresh private key; the RSA one is the same each time. */
export function testKey(kind: TestKeyKind): KeyObject {
  switch (kind) {
    case 'rsa':
      rsaKey ??= generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
      return rsaKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'ed448':
      return generateKeyPairSync('ed448').privateKey;
    default:
      return generateKeyPairSync('ec', { namedCurve: CURVES[kind] }).privateKey;
  }
}

/** A certificate or list as a file has it. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** A private key as a file has it. */
export function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function spki(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function extensionsOf(options: TestCertificateOptions): readonly TestExtension[] {
  const { authority, pathLength, keyUsage, extendedKeyUsages, names, permitted, excluded } = options;
  const list: TestExtension[] = [];
  if (authority !== undefined) {
    const fields = [...(authority ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])];
    list.push({ oid: '2.5.29.19', critical: true, value: sequence(...fields) });
  }
  if (keyUsage !== undefined) list.push({ oid: '2.5.29.15', critical: true, value: namedBits(...keyUsage) });
  if (extendedKeyUsages !== undefined) list.push({ oid: '2.5.29.37', value: sequence(...extendedKeyUsages.map(oid)) });
  if (names !== undefined) list.push({ oid: '2.5.29.17', value: sequence(...names) });
  if (permitted !== undefined || excluded !== undefined) {
    const subtrees = (number: number, given: readonly Uint8Array[] | undefined) =>
      given === undefined ? [] : [context(number, ...given.map((each) => sequence(each)))];
    const value = sequence(...subtrees(0, permitted), ...subtrees(1, excluded));
    list.push({ oid: '2.5.29.30', critical: true, value });
  }
  return [...list, ...(options.extensions ?? [])];
}

function extension({ oid: type, critical = false, value }: TestExtension): Uint8Array {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octets(value));
}

function ownScheme(key: KeyObject): SignatureScheme {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return SCHEMES.rsaPkcs1Sha256;
    case 'ed25519':
      return SCHEMES.ed25519;
    case 'ed448':
      return SCHEMES.ed448;
    default:
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? SCHEMES.ecdsaSha384 : SCHEMES.ecdsaSha256;
  }
}

function signedBy(key: KeyObject, scheme: SignatureScheme, body: Uint8Array): Uint8Array {
  const hash = ['', 'sha1', 'sha256', 'sha384', 'sha512'][scheme.hash] ?? null;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return sign(hash, body, scheme.algorithm === 'rsaPss' ? { key, ...pss } : key);
}

function nextSerial(): bigint {
  lastSerial += 1n;
  return lastSerial;
}

let rsaKey: KeyObject | undefined;
let lastSerial = 0x1000n;
const AUTHORITY: TestCertificateOptions = { authority: true, keyUsage: [5, 6] };
const CURVES = { ecdsaP256: 'prime256v1', ecdsaP384: 'secp384r1', ecdsaP521: 'secp521r1' } as const;
