import { concatenate, hexFromBytes } from '../crypto/bytes.ts';
import { HashAlgorithm } from '../wire/registry.ts';
import { SCHEMES, type SignatureScheme } from './signature-scheme.ts';

/**
 * The AlgorithmIdentifiers in DER that an AUTH payload of method 14 may begin with (RFC 7427 Appendix A, RFC 8420). They
 * are compared byte by byte, so there is nothing to parse: parameters that are missing, too many, or of another length
 * are not in the table.
 */

/** How we write a scheme. */
export function encodeScheme(scheme: SignatureScheme): Uint8Array {
  const row = ROWS.find((each) => each.scheme === scheme);
  if (row === undefined) throw new Error(`${scheme.name} has no AlgorithmIdentifier`);
  return row.encodings[0];
}

/** The scheme that an AlgorithmIdentifier names; undefined for any other bytes. */
export function decodeScheme(encoding: Uint8Array): SignatureScheme | undefined {
  return BY_ENCODING.get(hexFromBytes(encoding));
}

/** Whether it is one of the well-known schemes with SHA-1, which deserves a clear word. */
export function namesSha1(encoding: Uint8Array): boolean {
  return SHA1_ENCODINGS.has(hexFromBytes(encoding));
}

interface Row {
  readonly scheme: SignatureScheme;
  /** The one that we write comes first. */
  readonly encodings: readonly [Uint8Array, ...Uint8Array[]];
}

function rsaPkcs1(scheme: SignatureScheme, suffix: number): Row {
  return { scheme, encodings: [sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, suffix), NULL)] };
}

function ecdsa(scheme: SignatureScheme, suffix: number): Row {
  return { scheme, encodings: [sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, suffix))] };
}

function edwards(scheme: SignatureScheme, suffix: number): Row {
  return { scheme, encodings: [sequence(oid(0x2b, 0x65, suffix))] };
}

/**
 * RSASSA-PSS (RFC 4055 §3.1) with MGF1 of the same hash and a salt as long as it. The parameters of the hashes may be
 * absent instead of NULL (RFC 4055 §2.1); the trailer field is written out in RFC 7427 A.4.3 although it is the default.
 */
function rsaPss(scheme: SignatureScheme, saltBytes: number): Row {
  const suffix = SHA2_SUFFIX[scheme.hash];
  if (suffix === undefined) throw new Error(`${scheme.name} is not defined`);
  const hashOid = oid(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, suffix);
  const encoding = (hash: Uint8Array, mgfHash: Uint8Array, trailer: readonly Uint8Array[]): Uint8Array => {
    const mgf1 = sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08), mgfHash);
    const parameters = [tagged(0, hash), tagged(1, mgf1), tagged(2, integer(saltBytes)), ...trailer];
    return sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a), sequence(...parameters));
  };
  const [withNull, without] = [sequence(hashOid, NULL), sequence(hashOid)];
  const trailers = [[], [tagged(3, integer(1))]];
  const all = [withNull, without].flatMap((hash) =>
    [withNull, without].flatMap((mgfHash) => trailers.map((trailer) => encoding(hash, mgfHash, trailer))),
  );
  return { scheme, encodings: [encoding(withNull, withNull, []), ...all] };
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, concatenate(parts));
}

function tagged(number: number, content: Uint8Array): Uint8Array {
  return element(0xa0 + number, content);
}

function oid(...content: readonly number[]): Uint8Array {
  return element(0x06, Uint8Array.from(content));
}

function integer(value: number): Uint8Array {
  return element(0x02, Uint8Array.of(value));
}

/** None of those here needs a length of more than one byte. */
function element(tag: number, content: Uint8Array): Uint8Array {
  return Uint8Array.of(tag, content.length, ...content);
}

const NULL = Uint8Array.of(0x05, 0x00);
const SHA2_SUFFIX: Partial<Record<HashAlgorithm, number>> = {
  [HashAlgorithm.SHA2_256]: 1,
  [HashAlgorithm.SHA2_384]: 2,
  [HashAlgorithm.SHA2_512]: 3,
};
const ROWS: readonly Row[] = [
  rsaPkcs1(SCHEMES.rsaPkcs1Sha256, 0x0b),
  rsaPkcs1(SCHEMES.rsaPkcs1Sha384, 0x0c),
  rsaPkcs1(SCHEMES.rsaPkcs1Sha512, 0x0d),
  rsaPss(SCHEMES.rsaPssSha256, 32),
  rsaPss(SCHEMES.rsaPssSha384, 48),
  rsaPss(SCHEMES.rsaPssSha512, 64),
  ecdsa(SCHEMES.ecdsaSha256, 0x02),
  ecdsa(SCHEMES.ecdsaSha384, 0x03),
  ecdsa(SCHEMES.ecdsaSha512, 0x04),
  edwards(SCHEMES.ed25519, 0x70),
  edwards(SCHEMES.ed448, 0x71),
];
const BY_ENCODING: ReadonlyMap<string, SignatureScheme> = new Map(
  ROWS.flatMap(({ scheme, encodings }) => encodings.map((encoding) => [hexFromBytes(encoding), scheme] as const)),
);
/** RFC 7427 A.1.1, A.3.1 and A.4.1, A.4.2 (whose defaults are SHA-1). */
const SHA1_ENCODINGS: ReadonlySet<string> = new Set(
  [
    sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05), NULL),
    sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01)),
    sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a), sequence()),
  ].map(hexFromBytes),
);
