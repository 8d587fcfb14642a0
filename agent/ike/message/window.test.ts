import { describe, expect, it } from 'vitest';

import { ExchangeType } from '../../wire/registry.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { seededRandom } from '../testing/pair.ts';
import { fraction, requestTag, Window } from './window.ts';

const AUTH = ExchangeType.IKE_AUTH;

function message(...end: readonly number[]): Uint8Array {
  return Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, ...end);
}

function opened(window: Window, at = 0, timeoutMs = 60_000, seed = 3): Window {
  const request = { exchangeType: AUTH, payloads: [], datagrams: [message(1)] };
  window.open(at, request, timeoutMs, DEFAULT_LIMITS, seededRandom(seed));
  return window;
}

describe('requests of ours', () => {
  it('have message IDs from 0, one open at a time (RFC 7296 §2.2, §2.3)', () => {
    const window = opened(new Window());
    expect(window.pending?.messageId).toBe(0);
    expect(() => opened(window)).toThrow(/open already/);
    window.close();
    expect(opened(window).pending?.messageId).toBe(1);
  });

  it('are answered only by their own message ID and exchange', () => {
    const window = opened(new Window());
    expect(window.answers(0, AUTH)).toBe(true);
    expect(window.answers(1, AUTH)).toBe(false);
    expect(window.answers(0, ExchangeType.INFORMATIONAL)).toBe(false);
    window.close();
    expect(window.answers(0, AUTH)).toBe(false);
  });

  it('wait 1.8 times longer after each repetition, up to an eighth of the time there is, and a little more by chance', () => {
    const window = opened(new Window());
    let at = 0;
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const { repeatAt } = window.pending ?? { repeatAt: 0 };
      const base = Math.min(1_000 * 1.8 ** attempt, 60_000 / 8);
      expect(repeatAt - at).toBeGreaterThanOrEqual(Math.round(base));
      expect(repeatAt - at).toBeLessThanOrEqual(Math.round(base * 1.1));
      at = repeatAt;
      window.repeat(at, DEFAULT_LIMITS, seededRandom(attempt));
    }
  });

  it('wait for no longer than the ceiling, however much time there is', () => {
    const window = new Window();
    const request = { exchangeType: 37, payloads: [], datagrams: [message(1)] };
    window.open(0, request, 3_600_000, DEFAULT_LIMITS, seededRandom(1));
    for (let attempt = 0; attempt < 12; attempt += 1) window.repeat(0, DEFAULT_LIMITS, seededRandom(attempt));
    expect(window.pending?.repeatAt).toBeGreaterThanOrEqual(20_000);
    expect(window.pending?.repeatAt).toBeLessThanOrEqual(22_000);
  });

  it('keep their message ID, and the time at which they are given up, when their bytes are replaced', () => {
    const window = opened(new Window());
    window.replace(5_000, [message(2)], DEFAULT_LIMITS, seededRandom(1));
    expect(window.pending).toMatchObject({ messageId: 0, giveUpAt: 60_000, attempt: 0, datagrams: [message(2)] });
    expect(window.nextRequestId).toBe(1);
  });

  it('may be given up sooner but never later', () => {
    const window = opened(new Window());
    window.hasten(3_000);
    window.hasten(10_000);
    expect(window.pending?.giveUpAt).toBe(3_000);
  });
});

describe('requests of the peer', () => {
  it('are next, repeated, another under the same ID, or outside of the window of one', () => {
    const window = new Window();
    const [first, second] = [message(1), message(2)];
    const response = [message(9)];
    expect(window.position(0, first)).toEqual({ kind: 'next' });
    expect(window.position(1, first)).toEqual({ kind: 'outside' });
    window.store(0, requestTag(first), response);
    expect(window.position(0, first)).toEqual({ kind: 'repeated', datagrams: response });
    expect(window.position(0, second)).toEqual({ kind: 'differentRetransmission', datagrams: response });
    expect(window.position(1, second)).toEqual({ kind: 'next' });
    window.store(1, requestTag(second), response);
    expect(window.position(0, first)).toEqual({ kind: 'outside' });
    expect(window.position(3, first)).toEqual({ kind: 'outside' });
  });

  it('use up the message IDs in the end, which is noticed in time (RFC 7296 §2.2)', () => {
    const window = new Window();
    expect(window.exhausted).toBe(false);
    window.store(0xfffe_ffff, requestTag(message(1)), []);
    expect(window.exhausted).toBe(true);
  });

  it('without an ICV are compared whole', () => {
    const window = new Window();
    const request = Uint8Array.of(1, ...message(7));
    window.store(0, request, []);
    expect(window.position(0, request).kind).toBe('repeated');
    expect(window.position(0, Uint8Array.of(2, ...message(7))).kind).toBe('differentRetransmission');
    expect(window.position(0, message(7)).kind).toBe('differentRetransmission');
  });

  it('keep 16 bytes of a protected request, not the request', () => {
    const datagram = new Uint8Array(1_400);
    expect(requestTag(datagram)).toHaveLength(16);
    expect(requestTag(datagram).buffer.byteLength).toBe(16);
    expect(requestTag(Uint8Array.of(1))).toHaveLength(1);
  });
});

describe('chance', () => {
  it('is a number from 0 up to but not including 1', () => {
    expect(fraction({ fill: (target) => target.fill(0) })).toBe(0);
    const most = fraction({ fill: (target) => target.fill(255) });
    expect(most).toBeLessThan(1);
    expect(most).toBeGreaterThan(0.999_999);
  });
});
