import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { spiFromBytes } from './header.ts';
import { decodeInstanceNotify, encodeInstanceNotify } from './instance-notify.ts';

const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const spi = bytes(8).map(spiFromBytes);
const supersedes = fc.array(fc.record({ initiatorSpi: spi, responderSpi: spi }), { maxLength: 4 });

describe('the private notify of agents', () => {
  it('reads what was written', () => {
    fc.assert(
      fc.property(fc.record({ bootId: bytes(16), instance: bytes(8), supersedes }), (said) => {
        expect(decodeInstanceNotify(encodeInstanceNotify(said))).toEqual(said);
      }),
    );
  });

  it('of another version or length says nothing, and is no fault of the peer', () => {
    const good = encodeInstanceNotify({ bootId: new Uint8Array(16), instance: new Uint8Array(8), supersedes: [] });
    for (const length of [0, 1, 24, 26, 40, 42, 25 + 5 * 16]) {
      const data = new Uint8Array(length);
      data.set(good.data.subarray(0, length));
      expect(decodeInstanceNotify({ ...good, data }), `${length} bytes`).toBeUndefined();
    }
    const later = good.data.slice();
    later[0] = 2;
    expect(decodeInstanceNotify({ ...good, data: later })).toBeUndefined();
  });

  it('names few IKE SAs, however many there are', () => {
    const pair = { initiatorSpi: spiFromBytes(new Uint8Array(8)), responderSpi: spiFromBytes(new Uint8Array(8)) };
    const said = { bootId: new Uint8Array(16), instance: new Uint8Array(8), supersedes: Array(9).fill(pair) };
    expect(decodeInstanceNotify(encodeInstanceNotify(said))?.supersedes).toHaveLength(4);
  });
});
