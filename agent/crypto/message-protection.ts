import { constantTimeEqual } from './constant-time.ts';
import type { AeadAlgorithm, CipherAlgorithm, IntegrityAlgorithm } from './suites.ts';
import type { DirectionKeys, MessageProtection } from './types.ts';

/** HMAC over the joined parts, in full length. */
export type Hmac = (key: Uint8Array, parts: readonly Uint8Array[]) => Uint8Array;

/** An authenticated cipher of one provider. `body` is text | ICV, the ICV as long as the algorithm's row says. */
export interface Aead {
  /** Encrypts the text in place and writes the ICV. */
  seal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): void;
  /** The decrypted text, undefined if the ICV is wrong. `body` is left as it was. */
  open(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, body: Uint8Array): Uint8Array | undefined;
}

/** A block cipher in CBC mode of one provider. `text` is a multiple of the block. */
export interface Cipher {
  /** Encrypts in place. */
  encrypt(key: Uint8Array, iv: Uint8Array, text: Uint8Array): void;
  /** The decrypted text in a new array. */
  decrypt(key: Uint8Array, iv: Uint8Array, text: Uint8Array): Uint8Array;
}

/** SK payloads under an AEAD: nonce = salt | IV, associated data = all before the IV (RFC 5282 §4, §5). */
export function aeadProtection(row: AeadAlgorithm, aead: Aead): MessageProtection {
  const { keyBytes, saltBytes, ivBytes, icvBytes } = row;
  // One nonce for all calls, wiped after each: calls are synchronous and do not nest.
  const nonce = new Uint8Array(saltBytes + ivBytes);
  const setNonce = (keys: DirectionKeys, message: Uint8Array, ivOffset: number): void => {
    for (let i = 0; i < saltBytes; i++) nonce[i] = keys.encryption[keyBytes + i] ?? 0;
    for (let i = 0; i < ivBytes; i++) nonce[saltBytes + i] = message[ivOffset + i] ?? 0;
  };
  return {
    ivBytes,
    icvBytes,
    blockBytes: row.blockBytes,
    encryptionKeyBytes: keyBytes + saltBytes,
    integrityKeyBytes: 0,
    unpredictableIv: false,
    seal(keys, message, ivOffset) {
      setNonce(keys, message, ivOffset);
      const key = keys.encryption.subarray(0, keyBytes);
      aead.seal(key, nonce, message.subarray(0, ivOffset), message.subarray(ivOffset + ivBytes));
      nonce.fill(0);
    },
    open(keys, message, ivOffset) {
      if (message.length < ivOffset + ivBytes + icvBytes) return undefined;
      setNonce(keys, message, ivOffset);
      const key = keys.encryption.subarray(0, keyBytes);
      const text = aead.open(key, nonce, message.subarray(0, ivOffset), message.subarray(ivOffset + ivBytes));
      nonce.fill(0);
      return text;
    },
  };
}

/** SK payloads under a cipher with a MAC over everything before the ICV, ciphertext included (RFC 7296 §3.14). */
export function cipherProtection(
  row: CipherAlgorithm,
  integrity: IntegrityAlgorithm,
  cipher: Cipher,
  hmac: Hmac,
): MessageProtection {
  const { keyBytes, ivBytes, blockBytes } = row;
  const { icvBytes } = integrity;
  const icvOf = (keys: DirectionKeys, message: Uint8Array): Uint8Array =>
    hmac(keys.integrity, [message.subarray(0, message.length - icvBytes)]).subarray(0, icvBytes);
  return {
    ivBytes,
    icvBytes,
    blockBytes,
    encryptionKeyBytes: keyBytes,
    integrityKeyBytes: integrity.keyBytes,
    unpredictableIv: true,
    seal(keys, message, ivOffset) {
      const textOffset = ivOffset + ivBytes;
      const iv = message.subarray(ivOffset, textOffset);
      cipher.encrypt(keys.encryption, iv, message.subarray(textOffset, message.length - icvBytes));
      message.set(icvOf(keys, message), message.length - icvBytes);
    },
    open(keys, message, ivOffset) {
      const textOffset = ivOffset + ivBytes;
      const textBytes = message.length - textOffset - icvBytes;
      if (textBytes < blockBytes || textBytes % blockBytes !== 0) return undefined;
      if (!constantTimeEqual(icvOf(keys, message), message.subarray(message.length - icvBytes))) return undefined;
      const iv = message.subarray(ivOffset, textOffset);
      return cipher.decrypt(keys.encryption, iv, message.subarray(textOffset, textOffset + textBytes));
    },
  };
}
