import type { Result } from '../result.ts';
import type { SecretBytes } from './secret.ts';

/**
 * Source of unpredictable bytes, passed in so that the same seed gives the same bytes on the wire.
 * Consumers that must not disturb each other (nonces, SPIs, jitter) get separate streams.
 */
export interface Random {
  /** Overwrites all of `target`. */
  fill(target: Uint8Array): void;
}

/** A pseudo-random function of RFC 7296 §2.13; all of ours are HMACs, so keys of any length are taken as they are. */
export interface Prf {
  /** IANA transform ID, type 2. */
  readonly id: number;
  /** Length of the output and the preferred key length, in bytes. */
  readonly outputBytes: number;
  /** prf(key, parts[0] | parts[1] | …). */
  compute(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array;
  /**
   * The first `length` bytes, at least one, of prf+(prf(salt, secret), seed), both lists joined: how the keys of an IKE SA come from
   * a shared secret. One operation because it is HKDF (RFC 5869) where the PRF is an HMAC, and OpenSSL has that whole.
   */
  extractAndExpand(
    salt: Uint8Array,
    secret: readonly Uint8Array[],
    seed: readonly Uint8Array[],
    length: number,
  ): Uint8Array;
}

/** Why a peer's public value was refused (RFC 6989, RFC 7296 §3.4, RFC 8031 §3.2). */
export interface InvalidPublicValue {
  readonly kind: 'invalidPublicValue';
  readonly group: number;
  /**
   * `length`: not the group's; `range`: MODP not within 1 < y < p-1, or a coordinate not below p; `notOnCurve`: no
   * point of the curve; `smallOrder`: the shared secret would be zero.
   */
  readonly reason: 'length' | 'range' | 'notOnCurve' | 'smallOrder';
}

/** One side's ephemeral key of a key exchange; good for one derivation, then wiped. */
export interface EphemeralKey {
  /** What goes into the KE payload, in the encoding of the group's RFC. */
  readonly publicValue: Uint8Array;
  /**
   * The shared secret g^ir, encoded as RFC 7296 §2.14 asks: MODP left-padded to the group's length (RFC 7296),
   * ECP the x coordinate only (RFC 5903 §7), X25519/X448 the raw output (RFC 8031).
   */
  derive(peerPublicValue: Uint8Array): Result<SecretBytes, InvalidPublicValue>;
  /** Forgets the private key; `derive` must not be called afterwards. */
  wipe(): void;
}

/** A key-exchange method (transform type 4). */
export interface KeyExchange {
  /** IANA transform ID, type 4. */
  readonly id: number;
  /** Exact length of a public value in bytes; any other length is refused. */
  readonly publicValueBytes: number;
  /**
   * A fresh key pair, its private key drawn from `random`: the same bytes give the same key with every provider. MODP,
   * which OpenSSL alone has, draws from OpenSSL's own generator.
   */
  generate(random: Random): EphemeralKey;
}

/** The two keys that protect one direction of an IKE SA: SK_e (with the AEAD salt at its end) and SK_a (empty for AEAD). */
export interface DirectionKeys {
  readonly encryption: Uint8Array;
  readonly integrity: Uint8Array;
}

/**
 * Protection of an SK or SKF payload (RFC 7296 §3.14, RFC 5282), AEAD or CBC with HMAC, in place in one buffer:
 *
 *     [0, ivOffset)            header, unencrypted payloads and the generic header of SK/SKF: authenticated
 *     [ivOffset, +ivBytes)     IV
 *     [.., length - icvBytes)  plaintext with padding, or ciphertext
 *     [length - icvBytes, ..)  ICV
 *
 * Stateless: keys are passed to each call, so an IKE SA stores key bytes only.
 */
export interface MessageProtection {
  readonly ivBytes: number;
  readonly icvBytes: number;
  /** Plaintext including padding is a multiple of this; 1 for AEADs. */
  readonly blockBytes: number;
  /** Bytes of SK_e, the AEAD salt included. */
  readonly encryptionKeyBytes: number;
  /** Bytes of SK_a; 0 for AEADs. */
  readonly integrityKeyBytes: number;
  /** True where the IV must be unpredictable (CBC); otherwise a counter that never repeats under a key (RFC 5282 §3.1). */
  readonly unpredictableIv: boolean;
  /** Encrypts the plaintext and writes the ICV, both in place. The IV is already there. */
  seal(keys: DirectionKeys, message: Uint8Array, ivOffset: number): void;
  /**
   * Checks the ICV in constant time and only then decrypts; returns the plaintext with its padding as a new array,
   * undefined if the ICV is wrong or the lengths cannot be right. `message` is left as it was.
   */
  open(keys: DirectionKeys, message: Uint8Array, ivOffset: number): Uint8Array | undefined;
}

/**
 * A source of cryptographic primitives. Lookups return undefined for an algorithm that the provider does not have;
 * proposals are made only of what it has.
 */
export interface CryptoProvider {
  readonly name: 'noble' | 'openssl' | 'toy';
  prf(id: number): Prf | undefined;
  keyExchange(id: number): KeyExchange | undefined;
  /**
   * Protection by encryption transform `encryption` with `keyBits` (0 for fixed-length ciphers) and integrity
   * transform `integrity` (0 for AEADs).
   */
  messageProtection(encryption: number, keyBits: number, integrity: number): MessageProtection | undefined;
  /** SHA-1, for NAT detection (RFC 7296 §2.23) and CERTREQ; not a security primitive there. */
  sha1(parts: readonly Uint8Array[]): Uint8Array;
}
