import fc from 'fast-check';
import { expect, it } from 'vitest';
import { constantTimeEqual } from './constant-time.ts';

it('finds equal bytes equal', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => constantTimeEqual(bytes, bytes.slice())));
});

it('finds a difference in any bit of any byte', () => {
  const inputs = fc.tuple(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.integer({ min: 0, max: 7 }));
  fc.assert(
    fc.property(inputs, ([bytes, position, bit]) => {
      const other = bytes.slice();
      const index = position % bytes.length;
      other[index] = (other[index] ?? 0) ^ (1 << bit);
      return !constantTimeEqual(bytes, other);
    }),
  );
});

it('finds bytes of other lengths unequal, beginnings included', () => {
  expect(constantTimeEqual(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2))).toBe(false);
  expect(constantTimeEqual(Uint8Array.of(), Uint8Array.of(0))).toBe(false);
  expect(constantTimeEqual(Uint8Array.of(), Uint8Array.of())).toBe(true);
});
