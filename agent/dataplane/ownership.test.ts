import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  directionNumber,
  isOurIndex,
  isOurReqid,
  OWN_REQIDS,
  OWN_SEQUENCES,
  ownIndex,
  ownIndexSequence,
  ownReqid,
} from './ownership.ts';
import type { PolicyDirection } from './types.ts';

const directions: readonly PolicyDirection[] = ['in', 'out', 'fwd'];

describe('ownership', () => {
  it('makes indexes of our range whose low three bits are the direction, as the kernel demands', () => {
    fc.assert(
      fc.property(fc.nat(OWN_SEQUENCES - 1), fc.constantFrom(...directions), (sequence, direction) => {
        const index = ownIndex(sequence, direction);
        expect(index & 7).toBe(directionNumber(direction));
        expect(isOurIndex(index)).toBe(true);
        expect(ownIndexSequence(index)).toBe(sequence);
      }),
    );
  });

  it('stays in the range when the sequence numbers have run out', () => {
    expect(ownIndex(OWN_SEQUENCES, 'in')).toBe(ownIndex(0, 'in'));
    expect(ownReqid(OWN_REQIDS)).toBe(ownReqid(0));
    expect(isOurIndex(ownIndex(OWN_SEQUENCES - 1, 'fwd'))).toBe(true);
    expect(isOurReqid(ownReqid(OWN_REQIDS - 1))).toBe(true);
  });

  it('takes nothing for ours that other programs number', () => {
    // The kernel's first indexes, strongSwan's first reqid, libreswan's, the end of the unsigned range.
    for (const foreign of [0, 1, 8, 9, 10, 16384, 0x3fff, 0x5fffffff, 0x80000000, 0xffffffff]) {
      expect(isOurIndex(foreign)).toBe(false);
      expect(isOurReqid(foreign)).toBe(false);
      expect(ownIndexSequence(foreign)).toBeUndefined();
    }
  });
});
