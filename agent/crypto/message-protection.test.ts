import { describe, expect, it } from 'vitest';
import { bytesFromHex, concatenate } from './bytes.ts';
import { protectionWith } from './offers.ts';
import { productionProviders } from './provider.ts';
import { type Algorithm, algorithms, encryptionOf, integrityOf } from './suites.ts';
import { seededRandom } from './testing/random.ts';
import { toyProvider } from './toy/toy-provider.ts';
import type { DirectionKeys, MessageProtection } from './types.ts';

const rows = algorithms.filter((row) => row.kind === 'aead' || row.kind === 'cipher' || row.kind === 'integrity');
const cases = [...productionProviders, toyProvider].flatMap((provider) =>
  rows
    .filter((row) => isComputedBy(row, provider.name))
    .map((row) => ({ provider: provider.name, name: row.name, protection: present(protectionWith(provider, row)) })),
);

describe.each(cases)('a message under $name with $provider', ({ protection }) => {
  it('opens to what was sealed, and is not changed by opening', () => {
    const { keys, message, plaintext } = sealed(protection);
    const before = message.slice();
    expect(protection.open(keys, message, IV_OFFSET)).toEqual(plaintext);
    expect(message).toEqual(before);
  });

  it('does not show its plaintext, and keeps header and IV as they were', () => {
    const { message, plaintext, header, iv } = sealed(protection);
    expect(message.subarray(0, IV_OFFSET)).toEqual(header);
    expect(message.subarray(IV_OFFSET, IV_OFFSET + protection.ivBytes)).toEqual(iv);
    expect(Buffer.from(message).includes(plaintext.subarray(0, 8))).toBe(false);
  });

  it('is refused after a change of any single bit', () => {
    const { keys, message } = sealed(protection);
    for (let bit = 0; bit < 8 * message.length; bit++) {
      const corrupted = message.slice();
      corrupted[bit >> 3] = (corrupted[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(protection.open(keys, corrupted, IV_OFFSET), `bit ${bit}`).toBeUndefined();
    }
  });

  it('is refused when cut short anywhere, down to nothing', () => {
    const { keys, message } = sealed(protection);
    for (let length = 0; length < message.length; length++) {
      expect(protection.open(keys, message.subarray(0, length), IV_OFFSET), `${length} bytes`).toBeUndefined();
    }
  });

  it('is refused under other keys', () => {
    const { keys, message } = sealed(protection);
    const other = (key: Uint8Array) => key.map((byte, i) => (i === key.length - 1 ? byte ^ 1 : byte));
    if (protection.integrityKeyBytes === 0) {
      expect(protection.open({ ...keys, encryption: other(keys.encryption) }, message, IV_OFFSET)).toBeUndefined();
    } else {
      expect(protection.open({ ...keys, integrity: other(keys.integrity) }, message, IV_OFFSET)).toBeUndefined();
    }
  });

  it('can stand anywhere in a larger buffer', () => {
    const { keys, message, plaintext } = sealed(protection);
    const datagram = concatenate([new Uint8Array(3), message, new Uint8Array(5)]);
    expect(protection.open(keys, datagram.subarray(3, 3 + message.length), IV_OFFSET)).toEqual(plaintext);
  });
});

describe.each([...productionProviders, toyProvider])('message protection with $name', (provider) => {
  it('has the lengths of the table', () => {
    for (const encryption of algorithms.filter((row) => row.kind === 'aead' || row.kind === 'cipher')) {
      if (!isComputedBy(encryption, provider.name)) continue;
      const integrities = encryption.kind === 'aead' ? [0] : [2, 12, 13, 14];
      for (const id of integrities) {
        const protection = present(provider.messageProtection(encryption.transformId, encryption.keyBits, id));
        expect(protection).toMatchObject({
          ivBytes: encryption.ivBytes,
          blockBytes: encryption.blockBytes,
          icvBytes: encryption.kind === 'aead' ? encryption.icvBytes : integrityOf(id)?.icvBytes,
          encryptionKeyBytes: encryption.keyBytes + encryption.saltBytes,
          integrityKeyBytes: integrityOf(id)?.keyBytes ?? 0,
          unpredictableIv: encryption.kind === 'cipher',
        });
      }
    }
  });

  it('is not there for combinations that RFC 7296 §3.3 forbids, or that nobody knows', () => {
    expect(provider.messageProtection(20, 256, 12)).toBeUndefined();
    expect(provider.messageProtection(12, 256, 0)).toBeUndefined();
    expect(provider.messageProtection(20, 0, 0)).toBeUndefined();
    expect(provider.messageProtection(28, 256, 0)).toBeUndefined();
    expect(provider.messageProtection(12, 128, 1)).toBeUndefined();
    expect(provider.messageProtection(3, 0, 12)).toBeUndefined();
    expect(provider.prf(1)).toBeUndefined();
    expect(provider.keyExchange(2)).toBeUndefined();
  });

  it('gives the same object for the same question', () => {
    if (provider.name === 'toy') return;
    expect(provider.messageProtection(20, 256, 0)).toBe(provider.messageProtection(20, 256, 0));
    expect(provider.prf(5)).toBe(provider.prf(5));
    expect(provider.keyExchange(31)).toBe(provider.keyExchange(31));
  });
});

it('authenticates a CBC message with its ciphertext, IV and header under the integrity key alone', () => {
  const openssl = present(productionProviders[0]);
  const protection = present(openssl.messageProtection(12, 128, 12));
  const { keys, message } = sealed(protection);
  const icvOffset = message.length - protection.icvBytes;
  const mac = present(openssl.prf(5)).compute(keys.integrity, [message.subarray(0, icvOffset)]);
  expect(message.subarray(icvOffset)).toEqual(mac.slice(0, 16));
  expect(encryptionOf(12, 128)?.blockBytes).toBe(16);
});

it.each([0, 1, 15, 17])('refuses a CBC message whose ICV is right but whose text is %i bytes long', (textBytes) => {
  for (const provider of [...productionProviders, toyProvider]) {
    const protection = present(provider.messageProtection(12, 128, 12));
    const keys = { encryption: new Uint8Array(16), integrity: new Uint8Array(32).fill(1) };
    const message = new Uint8Array(IV_OFFSET + 16 + textBytes + 16);
    // The toy's ICV is not an HMAC; there the message is refused for either reason.
    const mac = present(provider.prf(5)).compute(keys.integrity, [message.subarray(0, message.length - 16)]);
    message.set(mac.subarray(0, 16), message.length - 16);
    expect(protection.open(keys, message, IV_OFFSET)).toBeUndefined();
  }
});

it('uses the salt at the end of the key and the IV as nonce (RFC 5282 §4)', () => {
  const protection = present(present(productionProviders[0]).messageProtection(20, 128, 0));
  const key = bytesFromHex('00'.repeat(16));
  const message = new Uint8Array(8 + 16 + 16);
  protection.seal({ encryption: concatenate([key, new Uint8Array(4)]), integrity: new Uint8Array(0) }, message, 0);
  const salted = new Uint8Array(8 + 16 + 16);
  protection.seal({ encryption: concatenate([key, Uint8Array.of(0, 0, 0, 1)]), integrity: key }, salted, 0);
  expect(salted.subarray(8)).not.toEqual(message.subarray(8));
});

const IV_OFFSET = 32;

function sealed(protection: MessageProtection): {
  keys: DirectionKeys;
  message: Uint8Array;
  header: Uint8Array;
  iv: Uint8Array;
  plaintext: Uint8Array;
} {
  const random = seededRandom(7);
  const drawn = (length: number): Uint8Array => {
    const target = new Uint8Array(length);
    random.fill(target);
    return target;
  };
  const [header, iv, plaintext] = [drawn(IV_OFFSET), drawn(protection.ivBytes), drawn(32)];
  const keys = { encryption: drawn(protection.encryptionKeyBytes), integrity: drawn(protection.integrityKeyBytes) };
  const message = concatenate([header, iv, plaintext, new Uint8Array(protection.icvBytes)]);
  protection.seal(keys, message, IV_OFFSET);
  return { keys, message, header, iv, plaintext };
}

/** Of the real providers one may lack an algorithm; the table says so. */
function isComputedBy({ providers }: Algorithm, provider: string): boolean {
  return provider === 'toy' || providers.some((name) => name === provider);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not offered');
  return value;
}
