import { describe, expect, it } from 'vitest';

import { Writer } from './writer.ts';

describe('an output that grows', () => {
  it.each<readonly [string, (writer: Writer) => void, readonly number[]]>([
    ['8 bits', (writer) => writer.u8(0x12), [0x12]],
    ['16 bits', (writer) => writer.u16(0x1234), [0x12, 0x34]],
    ['24 bits', (writer) => writer.u24(0x123456), [0x12, 0x34, 0x56]],
    ['32 bits', (writer) => writer.u32(0x12345678), [0x12, 0x34, 0x56, 0x78]],
    ['an open length', (writer) => writer.patch16(writer.reserve16(), 0x1234), [0x12, 0x34]],
    ['bytes', (writer) => writer.bytes(Uint8Array.of(1, 2, 3)), [1, 2, 3]],
    ['zeros', (writer) => writer.zeros(2), [0, 0]],
  ])('takes %s where its memory has just been filled', (_, write, expected) => {
    const writer = new Writer(4);
    writer.bytes(Uint8Array.of(9, 9, 9, 9));
    write(writer);
    expect([...writer.finish(4)]).toEqual(expected);
    expect([...writer.finish().subarray(0, 4)]).toEqual([9, 9, 9, 9]);
  });
});
