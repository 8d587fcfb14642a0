import { describe, expect, it } from 'vitest';

import { decodeReceivedNotify, encodeReceivedNotify } from './received-notify.ts';

const counts = [
  { spi: 0xc0ffee01, packets: 2 ** 40 + 1, undecryptable: 3, ageMs: 1_999 },
  { spi: 0x100, packets: 0, undecryptable: 0, ageMs: 0 },
];

describe('the notify of what was received', () => {
  it('comes back as it was said', () => {
    expect(decodeReceivedNotify(encodeReceivedNotify(counts))).toEqual(counts);
    expect(decodeReceivedNotify(encodeReceivedNotify([]))).toEqual([]);
  });

  it('says nothing where it is cut short, of another version, or of more SAs than a peer has', () => {
    const said = encodeReceivedNotify(counts);
    const of = (data: Uint8Array) => decodeReceivedNotify({ ...said, data });
    expect(of(said.data.subarray(0, -1))).toBeUndefined();
    expect(of(new Uint8Array(0))).toBeUndefined();
    expect(of(Uint8Array.from(said.data, (byte, index) => (index === 0 ? 2 : byte)))).toBeUndefined();
    expect(of(Uint8Array.from({ length: 4 + 33 * 20 }, (_, index) => (index === 0 ? 1 : 0)))).toBeUndefined();
  });

  it('tells of so many SAs at most as one message has room for', () => {
    const many = Array.from({ length: 100 }, (_, index) => ({
      spi: 256 + index,
      packets: 1,
      undecryptable: 0,
      ageMs: 1,
    }));
    expect(decodeReceivedNotify(encodeReceivedNotify(many))).toEqual(many.slice(0, 32));
  });
});
