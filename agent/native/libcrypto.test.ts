import { type CipherGCMTypes, createCipheriv, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { type LibcryptoAead, libcryptoAead, longest, MEMORY_BYTES } from './libcrypto.ts';

const ciphers = [
  ['aes-128-gcm', 16],
  ['aes-192-gcm', 24],
  ['aes-256-gcm', 32],
  ['chacha20-poly1305', 32],
] as const;

describe.each(ciphers)('%s of libcrypto', (name, keyBytes) => {
  it.each([8, 12, 16])('seals as node:crypto does and opens it again, with an ICV of %i bytes', (icv) => {
    const aead = present(libcryptoAead(name, { key: keyBytes, icv }));
    for (const [associatedBytes, textBytes] of LENGTHS) {
      const [key, nonce, associatedData, text] = [keyBytes, 12, associatedBytes, textBytes].map(plainRandom);
      if (!(key && nonce && associatedData && text)) throw new Error('unreachable');
      const body = Uint8Array.from([...text, ...new Uint8Array(icv)]);
      aead.seal(key, nonce, associatedData, body);
      const cipher = createCipheriv(name as CipherGCMTypes, key, nonce, { authTagLength: icv });
      cipher.setAAD(associatedData);
      const expected = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
      expect(expected.equals(body), `${associatedBytes} and ${textBytes} bytes`).toBe(true);
      expect(aead.open(key, nonce, associatedData, body)).toEqual(text);
      expect(expected.equals(body)).toBe(true);
    }
  });

  it('opens nothing after a change of key, nonce, associated data, text or ICV, and goes on working', () => {
    const aead = present(libcryptoAead(name, { key: keyBytes, icv: 16 }));
    const whole = [keyBytes, 12, 32, 100].map(plainRandom);
    const [key, nonce, associatedData, body] = whole;
    if (!(key && nonce && associatedData && body)) throw new Error('unreachable');
    aead.seal(key, nonce, associatedData, body);
    for (const [changed, at] of [
      [key, 0],
      [nonce, 11],
      [associatedData, 31],
      [body, 0],
      [body, 99],
    ] as const) {
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(aead.open(key, nonce, associatedData, body)).toBeUndefined();
      changed[at] = (changed[at] ?? 0) ^ 1;
    }
    expect(aead.open(key, nonce, associatedData, body)).toHaveLength(84);
  });

  it('leaves neither key nor nonce nor plaintext in its memory, whether a message opens or not', () => {
    const memory = new ArrayBuffer(MEMORY_BYTES);
    const aead = present(libcryptoAead(name, { key: keyBytes, icv: 16 }, memory));
    const [key, nonce, associatedData] = [new Uint8Array(keyBytes).fill(0xaa), new Uint8Array(12).fill(0xbb), ONE];
    const body = new Uint8Array(300).fill(0xcc);
    aead.seal(key, nonce, associatedData, body);
    expect(found(memory, 0xaa, 0xbb, 0xcc)).toBe(false);
    expect(aead.open(key, nonce, associatedData, body)).toBeDefined();
    expect(found(memory, 0xaa, 0xbb, 0xcc)).toBe(false);
    body[299] = (body[299] ?? 0) ^ 1;
    expect(aead.open(key, nonce, associatedData, body)).toBeUndefined();
    expect(found(memory, 0xaa, 0xbb, 0xcc)).toBe(false);
  });

  it('refuses lengths that its memory is not made for, before anything is written', () => {
    const aead = present(libcryptoAead(name, { key: keyBytes, icv: 16 }));
    const good = [keyBytes, 12, longest.associatedData, longest.body] as const;
    const bad: readonly (readonly [number, number, number, number])[] = [
      [keyBytes + 1, 12, 1, 100],
      [keyBytes - 1, 12, 1, 100],
      [keyBytes, 13, 1, 100],
      [keyBytes, 8, 1, 100],
      [keyBytes, 12, longest.associatedData + 1, 100],
      [keyBytes, 12, 1, longest.body + 1],
      [keyBytes, 12, 1, 15],
    ];
    const seal = (lengths: readonly [number, number, number, number]): void => {
      const [key, nonce, associatedData, body] = lengths.map((length) => new Uint8Array(length));
      if (key && nonce && associatedData && body) aead.seal(key, nonce, associatedData, body);
    };
    expect(() => seal(good)).not.toThrow();
    for (const lengths of bad) expect(() => seal(lengths), lengths.join()).toThrow(RangeError);
  });
});

describe('libcrypto', () => {
  it('has no cipher of a name that OpenSSL does not know', () => {
    expect(libcryptoAead('aes-256-nothing', { key: 32, icv: 16 })).toBeUndefined();
  });

  it('leaves no error behind that node:crypto would take for one of its own', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    libcryptoAead('aes-256-nothing', { key: 32, icv: 16 });
    expect(() => createPrivateKey(pem)).not.toThrow();
    const aead = present(libcryptoAead('aes-256-gcm', { key: 32, icv: 16 }));
    expect(aead.open(plainRandom(32), plainRandom(12), ONE, plainRandom(40))).toBeUndefined();
    expect(() => createPrivateKey(pem)).not.toThrow();
  });
});

/** Two or three in a row by chance are nothing; a key or a nonce is longer. */
function found(memory: ArrayBuffer, ...bytes: readonly number[]): boolean {
  const all = Buffer.from(memory);
  return bytes.some((byte) => all.includes(Buffer.alloc(4, byte)));
}

function present(aead: LibcryptoAead | undefined): LibcryptoAead {
  if (aead === undefined) throw new Error('this Node exports no libcrypto');
  return aead;
}

function plainRandom(length: number): Uint8Array {
  return Uint8Array.from(randomBytes(length));
}

const ONE = Uint8Array.of(1);
const LENGTHS = [
  [0, 0],
  [0, 1],
  [28, 0],
  [32, 276],
  [longest.associatedData, 1],
  [32, longest.body - 16],
] as const;
