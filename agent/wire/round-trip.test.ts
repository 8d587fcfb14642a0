import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeMessage, decodePayloads, encodeMessage, encodePayloads } from './message.ts';
import { decodeNotifyData, notifyOf } from './notify-data.ts';
import { headerFields, notifyData, payloads } from './testing/arbitraries.ts';
import { CHAINS, PLAIN_MESSAGES, type SampleName, sample } from './testing/samples.ts';

describe('round trip', () => {
  it('decodes every message to what was encoded', () => {
    fc.assert(
      fc.property(headerFields, payloads, (fields, chain) => {
        const decoded = decodeMessage(encodeMessage(fields, chain));
        expect(decoded).toMatchObject({ ok: true });
        if (!decoded.ok) return;
        expect(decoded.value.payloads).toEqual(chain);
        expect(decoded.value.protected).toBeUndefined();
        expect(decoded.value.header).toMatchObject({ ...fields, majorVersion: 2, minorVersion: 0 });
      }),
      { numRuns: 500 },
    );
  });

  it('decodes every chain of protected payloads to what was encoded', () => {
    fc.assert(
      fc.property(payloads, (chain) => {
        const { first, bytes } = encodePayloads(chain);
        expect(decodePayloads(first, bytes)).toEqual({ ok: true, value: chain });
      }),
      { numRuns: 500 },
    );
  });

  it('encodes what it decoded from canonical bytes to the same bytes', () => {
    for (const name of PLAIN_MESSAGES) {
      const bytes = sample(name);
      const decoded = decodeMessage(bytes);
      if (!decoded.ok) throw new Error(`${name}: ${decoded.error.reason}`);
      expect(encodeMessage(decoded.value.header, decoded.value.payloads), name).toEqual(bytes);
    }
    for (const [name, first] of Object.entries(CHAINS)) {
      const bytes = sample(name as SampleName);
      const decoded = decodePayloads(first, bytes);
      if (!decoded.ok) throw new Error(`${name}: ${decoded.error.reason}`);
      expect(encodePayloads(decoded.value), name).toEqual({ first, bytes });
    }
  });

  it('reads from every notify what was put into it', () => {
    fc.assert(
      fc.property(notifyData, (data) => {
        expect(decodeNotifyData(notifyOf(data))).toEqual({ ok: true, value: data });
      }),
      { numRuns: 500 },
    );
  });
});
