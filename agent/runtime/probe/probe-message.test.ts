import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeProbe, encodeProbe, type ProbeMessage } from './probe-message.ts';

const token = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

describe('the datagrams of probes', () => {
  it.each<ProbeMessage>([{ kind: 'greeting' }, { kind: 'probe', number: 0 }, { kind: 'answer', number: 65_535 }])(
    'are read as they were written: %j',
    (message) => {
      expect(decodeProbe(token, encodeProbe(token, message))).toEqual(message);
    },
  );

  it('are nothing to whoever has another token, or when they are cut off', () => {
    const bytes = encodeProbe(token, { kind: 'probe', number: 1 });
    expect(decodeProbe(new Uint8Array(16), bytes)).toBeUndefined();
    expect(decodeProbe(token, bytes.subarray(0, 63))).toBeUndefined();
    expect(decodeProbe(token, Uint8Array.of(...bytes, 0))).toBeUndefined();
    expect(decodeProbe(token, bytes.with(16, 3))).toBeUndefined();
    expect(decodeProbe(token, new Uint8Array())).toBeUndefined();
  });

  it('of strangers are never taken for ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeProbe(token, bytes)).toBeUndefined();
      }),
    );
  });
});
