import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { endMarkFilter } from './end-mark.ts';

describe('endMarkFilter', () => {
  const mark = '\u0001lab end aab\u0001';

  it('gives exactly the bytes before the mark, however the stream is cut', () => {
    const output = fc
      .uint8Array({ maxLength: 60 })
      .map((bytes) => Buffer.concat([bytes, Buffer.from(mark.slice(0, 5))]));
    fc.assert(
      fc.property(output, fc.array(fc.nat(80), { maxLength: 6 }), (bytes, cuts) => {
        const stream = Buffer.concat([bytes, Buffer.from(mark), Buffer.from('boot messages')]);
        const filter = endMarkFilter(mark);
        const edges = [0, ...cuts.filter((cut) => cut < stream.length), stream.length].sort((a, b) => a - b);
        const found = edges.slice(1).map((edge, index) => filter(stream.subarray(edges[index], edge)));
        expect(Buffer.concat(found.map((piece) => piece.output))).toEqual(bytes);
        expect(found.at(-1)?.ended).toBe(true);
      }),
    );
  });

  it('shows output at once, holding back only what may be the mark', () => {
    const filter = endMarkFilter(mark);
    expect(Buffer.from(filter(Buffer.from('live\u0001lab')).output).toString()).toBe('live');
    expect(Buffer.from(filter(Buffer.from(' is fun')).output).toString()).toBe('\u0001lab is fun');
  });
});
