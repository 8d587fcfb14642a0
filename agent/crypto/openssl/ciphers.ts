import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { libcryptoAead, longest } from '../../native/libcrypto.ts';
import type { Aead, Cipher } from '../message-protection.ts';
import type { AeadAlgorithm, CipherAlgorithm, EncryptionAlgorithm } from '../suites.ts';
import { plainBytes } from './plain-bytes.ts';

/** What OpenSSL calls a row's cipher. */
export function opensslCipherName(row: EncryptionAlgorithm): string {
  switch (row.construction) {
    case 'aesGcm':
      return `aes-${row.keyBits}-gcm`;
    case 'aesCbc':
      return `aes-${row.keyBits}-cbc`;
    case 'chacha20Poly1305':
      return 'chacha20-poly1305';
  }
}

/**
 * AES-GCM or ChaCha20-Poly1305: by calls of libcrypto, which take a fifth of node:crypto's time, and by node:crypto where
 * this host's Node does not have them, or for more than they take.
 */
export function opensslAead(row: AeadAlgorithm): Aead {
  const byNode = nodeAead(row);
  const direct = libcryptoAead(opensslCipherName(row), { key: row.keyBytes, icv: row.icvBytes });
  if (direct === undefined) return byNode;
  const aeadFor = (associatedData: Uint8Array, body: Uint8Array): Aead =>
    associatedData.length <= longest.associatedData && body.length <= longest.body ? direct : byNode;
  return {
    seal: (key, nonce, associatedData, body) => aeadFor(associatedData, body).seal(key, nonce, associatedData, body),
    open: (key, nonce, associatedData, body) => aeadFor(associatedData, body).open(key, nonce, associatedData, body),
  };
}

/** The same by node:crypto. */
export function nodeAead(row: AeadAlgorithm): Aead {
  // The types keep GCM and ChaCha20-Poly1305 apart, which behave alike.
  const name = opensslCipherName(row) as CipherGCMTypes;
  const options = { authTagLength: row.icvBytes };
  return {
    seal(key, nonce, associatedData, body) {
      const textBytes = body.length - row.icvBytes;
      const cipher = createCipheriv(name, key, nonce, options);
      cipher.setAAD(associatedData);
      body.set(cipher.update(body.subarray(0, textBytes)));
      cipher.final();
      body.set(cipher.getAuthTag(), textBytes);
    },
    open(key, nonce, associatedData, body) {
      const textBytes = body.length - row.icvBytes;
      const decipher = createDecipheriv(name, key, nonce, options);
      decipher.setAAD(associatedData);
      decipher.setAuthTag(body.subarray(textBytes));
      const text = decipher.update(body.subarray(0, textBytes));
      try {
        decipher.final();
      } catch {
        text.fill(0);
        return undefined;
      }
      return plainBytes(text);
    },
  };
}

/** AES-CBC. Without padding of its own, `update` gives everything and `final` nothing. */
export function opensslCipher(row: CipherAlgorithm): Cipher {
  const name = opensslCipherName(row);
  return {
    encrypt(key, iv, text) {
      const cipher = createCipheriv(name, key, iv).setAutoPadding(false);
      text.set(cipher.update(text));
      cipher.final();
    },
    decrypt(key, iv, text) {
      const decipher = createDecipheriv(name, key, iv).setAutoPadding(false);
      const plaintext = decipher.update(text);
      decipher.final();
      return plainBytes(plaintext);
    },
  };
}
