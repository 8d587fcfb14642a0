import { describe, expect, it } from 'vitest';

import { longest } from '../../native/libcrypto.ts';
import type { Aead } from '../message-protection.ts';
import { algorithms } from '../suites.ts';
import { seededRandom } from '../testing/random.ts';
import { nodeAead, opensslAead } from './ciphers.ts';

const rows = algorithms.filter((row) => row.kind === 'aead');

describe.each(rows)('$name by calls of libcrypto and by node:crypto', (row) => {
  it.each([
    [32, 200],
    [longest.associatedData + 1, 200],
    [32, longest.body + 1],
  ])(
    'gives the same for %i bytes of associated data and %i of text, and each opens what the other sealed',
    (ad, text) => {
      const random = seededRandom(row.icvBytes + text);
      const [key, nonce, associatedData, plaintext] = [row.keyBytes, 12, ad, text].map((length) => {
        const bytes = new Uint8Array(length);
        random.fill(bytes);
        return bytes;
      });
      if (!(key && nonce && associatedData && plaintext)) throw new Error('unreachable');
      const sealed = (aead: Aead): Uint8Array => {
        const body = new Uint8Array(text + row.icvBytes);
        body.set(plaintext);
        aead.seal(key, nonce, associatedData, body);
        return body;
      };
      const [direct, byNode] = [opensslAead(row), nodeAead(row)];
      expect(Buffer.compare(sealed(direct), sealed(byNode))).toBe(0);
      for (const [sealer, opener] of [
        [direct, byNode],
        [byNode, direct],
      ] as const) {
        const body = sealed(sealer);
        expect(Buffer.compare(opener.open(key, nonce, associatedData, body) ?? ad0, plaintext)).toBe(0);
        body[0] = (body[0] ?? 0) ^ 1;
        expect(opener.open(key, nonce, associatedData, body)).toBeUndefined();
      }
    },
  );
});

const ad0 = new Uint8Array(0);
