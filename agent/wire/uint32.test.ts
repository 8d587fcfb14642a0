import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { setUint32, uint32At } from './uint32.ts';

describe('numbers of 32 bits', () => {
  it('are read and written as a big-endian DataView does', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(4), (value, offset) => {
        const [bytes, expected] = [new Uint8Array(8), new Uint8Array(8)];
        setUint32(bytes, offset, value);
        new DataView(expected.buffer).setUint32(offset, value);
        expect(bytes).toEqual(expected);
        expect(uint32At(bytes, offset)).toBe(value);
      }),
    );
  });
});
