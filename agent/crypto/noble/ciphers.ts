import { cbc, ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { constantTimeEqual } from '../constant-time.ts';
import type { Aead, Cipher } from '../message-protection.ts';
import type { AeadAlgorithm, CipherAlgorithm } from '../suites.ts';

/** AES-GCM, with ICVs cut short where the row says so, or ChaCha20-Poly1305. */
export function nobleAead(row: AeadAlgorithm): Aead {
  switch (row.construction) {
    case 'aesGcm':
      return row.icvBytes === FULL_ICV_BYTES ? fullAead(gcm) : truncatedGcm(row.icvBytes);
    case 'chacha20Poly1305':
      return fullAead(chacha20poly1305);
  }
}

/** A cipher that needs an integrity algorithm beside it. */
export function nobleCipher(row: CipherAlgorithm): Cipher {
  switch (row.construction) {
    case 'aesCbc':
      return aesCbc;
  }
}

const aesCbc: Cipher = {
  encrypt(key, iv, text) {
    text.set(cbc(key, iv, { disablePadding: true }).encrypt(text));
  },
  decrypt: (key, iv, text) => cbc(key, iv, { disablePadding: true }).decrypt(text),
};

type NobleAead = typeof gcm | typeof chacha20poly1305;

function fullAead(aead: NobleAead): Aead {
  return {
    seal(key, nonce, associatedData, body) {
      body.set(aead(key, nonce, associatedData).encrypt(body.subarray(0, body.length - FULL_ICV_BYTES)));
    },
    open(key, nonce, associatedData, body) {
      try {
        return aead(key, nonce, associatedData).decrypt(body);
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * AES-GCM with a short ICV, which the library does not check by itself: decrypt with the counter mode inside GCM,
 * whose first counter is 2, encrypt that again, and compare as much of the ICV as was sent before giving anything out.
 */
function truncatedGcm(icvBytes: number): Aead {
  return {
    seal(key, nonce, associatedData, body) {
      const textBytes = body.length - icvBytes;
      const sealed = gcm(key, nonce, associatedData).encrypt(body.subarray(0, textBytes));
      body.set(sealed.subarray(0, body.length));
    },
    open(key, nonce, associatedData, body) {
      const textBytes = body.length - icvBytes;
      const counter = new Uint8Array(AES_BLOCK_BYTES);
      counter.set(nonce);
      counter[AES_BLOCK_BYTES - 1] = FIRST_TEXT_COUNTER;
      const text = ctr(key, counter).decrypt(body.subarray(0, textBytes));
      const sealed = gcm(key, nonce, associatedData).encrypt(text);
      counter.fill(0);
      if (constantTimeEqual(sealed.subarray(textBytes, textBytes + icvBytes), body.subarray(textBytes))) return text;
      text.fill(0);
      return undefined;
    },
  };
}

const FULL_ICV_BYTES = 16;
const AES_BLOCK_BYTES = 16;
const FIRST_TEXT_COUNTER = 2;
