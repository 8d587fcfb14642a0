import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeHeader } from './header.ts';
import { scanInitRequest } from './init-scan.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { notify } from './notify-data.ts';
import type { Payload } from './payloads/payload.ts';
import { NotifyType } from './registry.ts';
import { payloads as anyPayloads, headerFields } from './testing/arbitraries.ts';
import { counting, sample } from './testing/samples.ts';

function scan(bytes: Uint8Array) {
  const header = decodeHeader(bytes);
  return header.ok ? scanInitRequest(header.value.nextPayload, bytes) : undefined;
}

function message(...payloads: readonly Payload[]): Uint8Array {
  const header = decodeHeader(sample('ike-sa-init-request'));
  if (!header.ok) throw new Error(header.error.reason);
  return encodeMessage(header.value, payloads);
}

const NONCE: Payload = { kind: 'nonce', data: counting(1, 32) };

describe('a look at an IKE_SA_INIT request', () => {
  it('finds the nonce and the cookie that decoding finds', () => {
    for (const name of ['ike-sa-init-request', 'ike-sa-init-request-with-cookie'] as const) {
      const bytes = sample(name);
      const decoded = decodeMessage(bytes);
      if (!decoded.ok) throw new Error(decoded.error.reason);
      const nonce = decoded.value.payloads.find(({ kind }) => kind === 'nonce');
      const cookie = decoded.value.payloads.find(
        (payload) => payload.kind === 'notify' && payload.notifyType === NotifyType.COOKIE,
      );
      expect(scan(bytes)?.nonce).toEqual(nonce?.kind === 'nonce' ? nonce.data : undefined);
      expect(scan(bytes)?.cookie).toEqual(cookie?.kind === 'notify' ? cookie.data : undefined);
      expect(cookie !== undefined).toBe(name.endsWith('cookie'));
    }
  });

  it('finds them in whatever order they stand, and takes the first of several', () => {
    const cookie = (first: number): Payload => notify(NotifyType.COOKIE, counting(first, 16));
    const bytes = message(notify(16_388, counting(0, 20)), cookie(7), NONCE, cookie(9));
    expect(scan(bytes)).toEqual({ nonce: counting(1, 32), cookie: counting(7, 16) });
  });

  it.each([
    ['no payload at all', message()],
    ['no nonce', message(notify(NotifyType.COOKIE, counting(0, 16)))],
    ['a nonce of 15 bytes', message({ kind: 'nonce', data: counting(0, 15) })],
    ['a nonce of 257 bytes', message({ kind: 'nonce', data: new Uint8Array(257) })],
    ['65 payloads', message(NONCE, ...Array.from({ length: 64 }, () => notify(16_388)))],
  ])('there is nothing to see in a message with %s', (_, bytes) => {
    expect(scan(bytes)).toBeUndefined();
  });

  it.each([
    ['of no bytes', notify(NotifyType.COOKIE)],
    ['of 65 bytes', notify(NotifyType.COOKIE, new Uint8Array(65))],
    ['with an SPI', { ...notify(NotifyType.COOKIE, counting(0, 16)), protocol: 3, spi: new Uint8Array(4) }],
  ])('a cookie %s is none', (_, cookie) => {
    expect(scan(message(cookie, NONCE))).toEqual({ nonce: counting(1, 32), cookie: undefined });
  });

  it('reads no byte outside of the message, however it is cut or changed', () => {
    fc.assert(
      fc.property(headerFields, anyPayloads, fc.nat(), fc.nat(255), (fields, payloads, place, value) => {
        const bytes = encodeMessage(fields, payloads);
        bytes[28 + (place % Math.max(1, bytes.length - 28))] = value;
        for (const cut of [bytes, bytes.subarray(0, 28 + (place % bytes.length))]) {
          const seen = scanInitRequest(bytes[16] ?? 0, cut);
          const parts = [seen?.nonce, seen?.cookie].filter((part) => part !== undefined);
          for (const part of parts) {
            expect(part.byteOffset + part.length).toBeLessThanOrEqual(cut.byteOffset + cut.length);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
