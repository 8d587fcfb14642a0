import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { algorithms } from '../suites.ts';
import { hexOf } from '../testing/hex.ts';
import { fixedRandom, seededRandom } from '../testing/random.ts';
import { toyProvider } from './toy-provider.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('the toy provider', () => {
  it('has every algorithm of the table', () => {
    for (const row of algorithms) {
      if (row.kind === 'prf') expect(toyProvider.prf(row.transformId)?.outputBytes).toBe(row.outputBytes);
      if (row.kind === 'keyExchange') {
        expect(toyProvider.keyExchange(row.transformId)?.publicValueBytes).toBe(row.publicValueBytes);
      }
      if (row.kind === 'aead') {
        expect(toyProvider.messageProtection(row.transformId, row.keyBits, 0)?.icvBytes).toBe(row.icvBytes);
      }
    }
  });

  it('repeats itself from the same seed, and does not from another', () => {
    const publicValue = (seed: number): string =>
      hexOf(toyProvider.keyExchange(31)?.generate(seededRandom(seed)).publicValue ?? new Uint8Array(0));
    expect(publicValue(1)).toBe(publicValue(1));
    expect(publicValue(1)).not.toBe(publicValue(2));
  });

  it('never makes the public value that it refuses', () => {
    const method = toyProvider.keyExchange(31);
    const publicValue = method?.generate(fixedRandom(new Uint8Array(32))).publicValue ?? new Uint8Array(0);
    expect(method?.generate(seededRandom(1)).derive(publicValue).ok).toBe(true);
  });

  it('has a PRF that depends on key and data, and not on where the parts are cut', () => {
    const prf = toyProvider.prf(5);
    if (prf === undefined) throw new Error('not offered');
    const inputs = fc.tuple(bytes(16), bytes(16), fc.uint8Array({ minLength: 2 }), fc.nat());
    fc.assert(
      fc.property(inputs, ([key, otherKey, data, position]) => {
        const cut = position % data.length;
        const output = hexOf(prf.compute(key, [data]));
        expect(hexOf(prf.compute(key, [data.subarray(0, cut), data.subarray(cut)]))).toBe(output);
        const changed = data.map((byte, i) => (i === cut ? byte ^ 1 : byte));
        expect(hexOf(prf.compute(key, [changed]))).not.toBe(output);
        if (hexOf(key) !== hexOf(otherKey)) expect(hexOf(prf.compute(otherKey, [data]))).not.toBe(output);
      }),
    );
  });

  it('gives different PRFs different outputs', () => {
    const outputs = [2, 5, 6, 7].map((id) =>
      hexOf(toyProvider.prf(id)?.compute(Uint8Array.of(1), [Uint8Array.of(2)]) ?? new Uint8Array(0)).slice(0, 40),
    );
    expect(new Set(outputs).size).toBe(4);
  });

  it('refuses a message of which several bytes changed', () => {
    const protection = toyProvider.messageProtection(20, 256, 0);
    if (protection === undefined) throw new Error('not offered');
    const keys = { encryption: new Uint8Array(36).fill(1), integrity: new Uint8Array(0) };
    const message = new Uint8Array(150).fill(2);
    protection.seal(keys, message, 32);
    const changes = fc.array(fc.tuple(fc.nat(149), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(changes, (list) => {
        const corrupted = message.slice();
        for (const [index, mask] of list) corrupted[index] = (corrupted[index] ?? 0) ^ mask;
        const same = corrupted.every((byte, i) => byte === message[i]);
        expect(protection.open(keys, corrupted, 32) !== undefined).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });
});
