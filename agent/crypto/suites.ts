/** A provider that may protect real traffic. */
export type ProductionProvider = 'noble' | 'openssl';

/** What every row says, whatever its transform type. */
interface AlgorithmRow {
  /** IANA transform type of RFC 7296 §3.3.2. */
  readonly transformType: number;
  /** IANA transform ID within the type. */
  readonly transformId: number;
  /** The Key Length attribute in bits; 0 where the algorithm has none and the attribute is not sent. */
  readonly keyBits: number;
  /** IANA name without its prefix, with the key length where there are several. */
  readonly name: string;
  /** The words that mean this row in strongSwan's proposal syntax; the first is the one we print. */
  readonly keywords: readonly string[];
  /** May protect IKE messages. */
  readonly ike: boolean;
  /** May protect ESP packets. */
  readonly esp: boolean;
  /** Who computes it. Empty for what needs no computing here. */
  readonly providers: readonly ProductionProvider[];
}

/** An authenticated cipher with an implicit salt at the end of its key (RFC 5282 §7.1, RFC 4106 §8.1, RFC 7634 §2). */
export interface AeadAlgorithm extends AlgorithmRow {
  readonly kind: 'aead';
  readonly construction: 'aesGcm' | 'chacha20Poly1305';
  /** Cipher key without the salt, in bytes. */
  readonly keyBytes: number;
  readonly saltBytes: number;
  readonly ivBytes: number;
  readonly icvBytes: number;
  /** Plaintext with padding is a multiple of this in IKE. */
  readonly blockBytes: number;
  /** XFRMA_ALG_AEAD: the kernel's name and alg_icv_len in bits. Its key is keyBytes + saltBytes long. */
  readonly xfrm: { readonly attribute: 'aead'; readonly name: string; readonly icvBits: number };
}

/** A cipher that needs an integrity algorithm beside it. */
export interface CipherAlgorithm extends AlgorithmRow {
  readonly kind: 'cipher';
  readonly construction: 'aesCbc';
  readonly keyBytes: number;
  /** Always 0: there is no salt. Here so that key lengths are computed alike for both kinds. */
  readonly saltBytes: 0;
  readonly ivBytes: number;
  readonly blockBytes: number;
  /** XFRMA_ALG_CRYPT. */
  readonly xfrm: { readonly attribute: 'crypt'; readonly name: string };
}

/** A MAC for messages and packets, truncated. */
export interface IntegrityAlgorithm extends AlgorithmRow {
  readonly kind: 'integrity';
  readonly keyBytes: number;
  /** Bytes of the MAC that are sent. */
  readonly icvBytes: number;
  readonly hash: HashName;
  /** XFRMA_ALG_AUTH_TRUNC, never XFRMA_ALG_AUTH: with the latter the kernel cuts HMAC-SHA-256 to 96 bits. */
  readonly xfrm: { readonly attribute: 'authTrunc'; readonly name: string; readonly icvBits: number };
}

/** A pseudo-random function, for key derivation and AUTH. */
export interface PrfAlgorithm extends AlgorithmRow {
  readonly kind: 'prf';
  /** Output and preferred key length in bytes. */
  readonly outputBytes: number;
  readonly hash: HashName;
}

/** A key-exchange method, what RFC 7296 calls a Diffie-Hellman group. */
export interface KeyExchangeAlgorithm extends AlgorithmRow {
  readonly kind: 'keyExchange';
  readonly group: GroupName;
  /** Length of the KE payload's data in bytes. */
  readonly publicValueBytes: number;
  /** Length of the shared secret in bytes. */
  readonly sharedSecretBytes: number;
}

/** Whether ESP counts packets in 64 bits (RFC 4304); one of the two is mandatory in an ESP proposal. */
interface SequenceNumbersAlgorithm extends AlgorithmRow {
  readonly kind: 'sequenceNumbers';
  readonly extended: boolean;
}

export type EncryptionAlgorithm = AeadAlgorithm | CipherAlgorithm;
export type Algorithm =
  | EncryptionAlgorithm
  | IntegrityAlgorithm
  | PrfAlgorithm
  | KeyExchangeAlgorithm
  | SequenceNumbersAlgorithm;
/** Groups under the names that OpenSSL and noble share; modp14 to modp16 are those of RFC 3526. */
export type GroupName = 'x25519' | 'x448' | EcpName | ModpName;
export type EcpName = 'p256' | 'p384' | 'p521';
export type ModpName = 'modp14' | 'modp15' | 'modp16';
export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** The transform types that have rows (RFC 7296 §3.3.2). */
export const transformTypes = { encryption: 1, prf: 2, integrity: 3, keyExchange: 4, sequenceNumbers: 5 } as const;

/** The integrity transform ID that stands for none: what an AEAD is looked up with (RFC 7296 §3.3). */
export const noIntegrity = 0;

const both: readonly ProductionProvider[] = ['noble', 'openssl'];

/**
 * Every algorithm that can be negotiated, and everything that depends on it: IKE numbers, lengths, the kernel's names,
 * the words of a proposal. Adding an algorithm starts here.
 */
export const algorithms: readonly Algorithm[] = [
  aesGcm(20, 16, 128),
  aesGcm(20, 16, 192),
  aesGcm(20, 16, 256),
  aesGcm(19, 12, 128),
  aesGcm(19, 12, 192),
  aesGcm(19, 12, 256),
  aesGcm(18, 8, 128),
  aesGcm(18, 8, 192),
  aesGcm(18, 8, 256),
  {
    kind: 'aead',
    construction: 'chacha20Poly1305',
    transformType: transformTypes.encryption,
    transformId: 28,
    keyBits: 0,
    name: 'CHACHA20_POLY1305',
    keywords: ['chacha20poly1305'],
    ike: true,
    esp: true,
    providers: both,
    keyBytes: 32,
    saltBytes: 4,
    ivBytes: 8,
    icvBytes: 16,
    blockBytes: 1,
    xfrm: { attribute: 'aead', name: 'rfc7539esp(chacha20,poly1305)', icvBits: 128 },
  },
  aesCbc(128),
  aesCbc(192),
  aesCbc(256),
  hmacIntegrity(12, 'HMAC_SHA2_256_128', 'sha256', 32, 16, ['sha256', 'sha2_256']),
  hmacIntegrity(13, 'HMAC_SHA2_384_192', 'sha384', 48, 24, ['sha384', 'sha2_384']),
  hmacIntegrity(14, 'HMAC_SHA2_512_256', 'sha512', 64, 32, ['sha512', 'sha2_512']),
  hmacIntegrity(2, 'HMAC_SHA1_96', 'sha1', 20, 12, ['sha1', 'sha']),
  hmacPrf(5, 'HMAC_SHA2_256', 'sha256', 32),
  hmacPrf(6, 'HMAC_SHA2_384', 'sha384', 48),
  hmacPrf(7, 'HMAC_SHA2_512', 'sha512', 64),
  hmacPrf(2, 'HMAC_SHA1', 'sha1', 20),
  keyExchange(31, 'CURVE25519', 'x25519', 32, 32, ['x25519', 'curve25519'], both),
  keyExchange(32, 'CURVE448', 'x448', 56, 56, ['x448', 'curve448'], both),
  keyExchange(19, 'ECP_256', 'p256', 64, 32, ['ecp256'], both),
  keyExchange(20, 'ECP_384', 'p384', 96, 48, ['ecp384'], both),
  keyExchange(21, 'ECP_521', 'p521', 132, 66, ['ecp521'], both),
  // Modular exponentiation in JavaScript would take tens of milliseconds, and a time that depends on the exponent.
  keyExchange(14, 'MODP_2048', 'modp14', 256, 256, ['modp2048'], ['openssl']),
  keyExchange(15, 'MODP_3072', 'modp15', 384, 384, ['modp3072'], ['openssl']),
  keyExchange(16, 'MODP_4096', 'modp16', 512, 512, ['modp4096'], ['openssl']),
  sequenceNumbers(0, 'NO_ESN', false, 'noesn'),
  sequenceNumbers(1, 'ESN', true, 'esn'),
];

/**
 * The row for a transform as it stands in a proposal: its type, its ID and its Key Length attribute in bits (0 if it
 * has none). Undefined for what we do not know, a missing or surplus Key Length included (RFC 7296 §3.3.5).
 */
export function algorithmOf(transformType: number, transformId: number, keyBits: number): Algorithm | undefined {
  return byTransform.get(transformKey(transformType, transformId, keyBits));
}

/** `algorithmOf` for transform type 1. */
export function encryptionOf(transformId: number, keyBits: number): EncryptionAlgorithm | undefined {
  const row = algorithmOf(transformTypes.encryption, transformId, keyBits);
  return row?.kind === 'aead' || row?.kind === 'cipher' ? row : undefined;
}

/** `algorithmOf` for transform type 2. */
export function prfOf(transformId: number): PrfAlgorithm | undefined {
  const row = algorithmOf(transformTypes.prf, transformId, 0);
  return row?.kind === 'prf' ? row : undefined;
}

/** `algorithmOf` for transform type 3; undefined for `noIntegrity`. */
export function integrityOf(transformId: number): IntegrityAlgorithm | undefined {
  const row = algorithmOf(transformTypes.integrity, transformId, 0);
  return row?.kind === 'integrity' ? row : undefined;
}

/** `algorithmOf` for transform type 4. */
export function keyExchangeOf(transformId: number): KeyExchangeAlgorithm | undefined {
  const row = algorithmOf(transformTypes.keyExchange, transformId, 0);
  return row?.kind === 'keyExchange' ? row : undefined;
}

/** The row that a word of strongSwan's proposal syntax means, such as `aes256gcm16` or `prfsha384`. */
export function algorithmByKeyword(keyword: string): Algorithm | undefined {
  return byKeyword.get(keyword);
}

function aesGcm(transformId: number, icvBytes: number, keyBits: number): AeadAlgorithm {
  return {
    kind: 'aead',
    construction: 'aesGcm',
    transformType: transformTypes.encryption,
    transformId,
    keyBits,
    name: `AES_GCM_${icvBytes}-${keyBits}`,
    keywords: [`aes${keyBits}gcm${icvBytes}`, `aes${keyBits}gcm${icvBytes * 8}`],
    ike: true,
    esp: true,
    providers: both,
    keyBytes: keyBits / 8,
    saltBytes: 4,
    ivBytes: 8,
    icvBytes,
    blockBytes: 1,
    xfrm: { attribute: 'aead', name: 'rfc4106(gcm(aes))', icvBits: icvBytes * 8 },
  };
}

function aesCbc(keyBits: number): CipherAlgorithm {
  return {
    kind: 'cipher',
    construction: 'aesCbc',
    transformType: transformTypes.encryption,
    transformId: 12,
    keyBits,
    name: `AES_CBC-${keyBits}`,
    keywords: keyBits === 128 ? ['aes128', 'aes'] : [`aes${keyBits}`],
    ike: true,
    esp: true,
    providers: both,
    keyBytes: keyBits / 8,
    saltBytes: 0,
    ivBytes: 16,
    blockBytes: 16,
    xfrm: { attribute: 'crypt', name: 'cbc(aes)' },
  };
}

function hmacIntegrity(
  transformId: number,
  name: string,
  hash: HashName,
  keyBytes: number,
  icvBytes: number,
  keywords: readonly string[],
): IntegrityAlgorithm {
  return {
    kind: 'integrity',
    transformType: transformTypes.integrity,
    transformId,
    keyBits: 0,
    name,
    keywords,
    ike: true,
    esp: true,
    providers: both,
    keyBytes,
    icvBytes,
    hash,
    xfrm: { attribute: 'authTrunc', name: `hmac(${hash})`, icvBits: icvBytes * 8 },
  };
}

function hmacPrf(transformId: number, name: string, hash: HashName, outputBytes: number): PrfAlgorithm {
  return {
    kind: 'prf',
    transformType: transformTypes.prf,
    transformId,
    keyBits: 0,
    name,
    keywords: [`prf${hash}`],
    ike: true,
    esp: false,
    providers: both,
    outputBytes,
    hash,
  };
}

function keyExchange(
  transformId: number,
  name: string,
  group: GroupName,
  publicValueBytes: number,
  sharedSecretBytes: number,
  keywords: readonly string[],
  providers: readonly ProductionProvider[],
): KeyExchangeAlgorithm {
  return {
    kind: 'keyExchange',
    transformType: transformTypes.keyExchange,
    transformId,
    keyBits: 0,
    name,
    keywords,
    ike: true,
    esp: true,
    providers,
    group,
    publicValueBytes,
    sharedSecretBytes,
  };
}

function sequenceNumbers(
  transformId: number,
  name: string,
  extended: boolean,
  keyword: string,
): SequenceNumbersAlgorithm {
  return {
    kind: 'sequenceNumbers',
    transformType: transformTypes.sequenceNumbers,
    transformId,
    keyBits: 0,
    name,
    keywords: [keyword],
    ike: false,
    esp: true,
    providers: [],
    extended,
  };
}

// A number instead of a string: proposals are looked up for unauthenticated packets. The fields are 8, 16 and 16 bits.
function transformKey(transformType: number, transformId: number, keyBits: number): number {
  return (transformType * 0x10000 + transformId) * 0x10000 + keyBits;
}

const byTransform: ReadonlyMap<number, Algorithm> = new Map(
  algorithms.map((row) => [transformKey(row.transformType, row.transformId, row.keyBits), row]),
);

const byKeyword: ReadonlyMap<string, Algorithm> = new Map(
  algorithms.flatMap((row) => row.keywords.map((keyword) => [keyword, row] as const)),
);
