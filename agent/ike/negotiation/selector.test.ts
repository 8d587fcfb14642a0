import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { PortMatch, Prefix, Selector } from '../../dataplane/types.ts';
import { ipAddressBytes } from '../../wire/ip-address.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { address } from '../testing/pair.ts';
import { isWithin, narrow, outboundSelectors, reversed, selectorText, trafficSelectors } from './selector.ts';

const GENEROUS = { ...DEFAULT_LIMITS, policiesPerChild: 100_000 };
const ANY_PORT = { startPort: 0, endPort: 65_535 };

function bytes(text: string): Uint8Array {
  return ipAddressBytes(address(text));
}

function ts(start: string, end = start, more: Partial<TrafficSelector> = {}): TrafficSelector {
  const first = bytes(start);
  return { tsType: first.length === 4 ? 7 : 8, protocol: 0, ...ANY_PORT, start: first, end: bytes(end), ...more };
}

function numberOf(address: Uint8Array): bigint {
  return address.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

function addressOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * (length - 1 - index))) & 255n));
}

/** The addresses of a prefix as first and last number. */
function spanOf({ address: base, length }: Prefix): readonly [bigint, bigint] {
  const raw = ipAddressBytes(base);
  const first = numberOf(raw);
  return [first, first + (1n << BigInt(raw.length * 8 - length)) - 1n];
}

/** Sorted spans that touch one another become one. */
function joined(spans: readonly (readonly [bigint, bigint])[]): readonly (readonly [bigint, bigint])[] {
  const sorted = [...spans].sort((left, right) => (left[0] < right[0] ? -1 : 1));
  const result: [bigint, bigint][] = [];
  for (const [first, last] of sorted) {
    const previous = result.at(-1);
    if (previous !== undefined && first <= previous[1]) throw new Error('pieces overlap');
    if (previous !== undefined && first === previous[1] + 1n) previous[1] = last;
    else result.push([first, last]);
  }
  return result;
}

function matches(port: number, { value, mask }: PortMatch): boolean {
  return (port & mask) === value;
}

function unique<T>(values: readonly T[], key: (value: T) => string): readonly T[] {
  return [...new Map(values.map((value) => [key(value), value])).values()];
}

function outbound(here: TrafficSelector, there: TrafficSelector, limits = GENEROUS): readonly Selector[] {
  return outboundSelectors([here], [there], limits) ?? [];
}

describe('a range of addresses', () => {
  it.each([4, 16])(
    'of %i bytes is covered by its prefixes exactly: nothing missing, nothing more, nothing twice',
    (length) => {
      const top = (1n << BigInt(8 * length)) - 1n;
      const edge = fc.constantFrom(0n, 1n, top, top - 1n, top >> 1n, (top >> 1n) + 1n);
      const value = fc.oneof(fc.bigInt({ min: 0n, max: top }), edge);
      fc.assert(
        fc.property(value, value, (left, right) => {
          const [first, last] = left <= right ? [left, right] : [right, left];
          const range: TrafficSelector = {
            tsType: length === 4 ? 7 : 8,
            protocol: 0,
            ...ANY_PORT,
            start: addressOf(first, length),
            end: addressOf(last, length),
          };
          const host = ts(length === 4 ? '192.0.2.1' : '2001:db8::1');
          const pieces = outbound(range, host).map(({ source }) => source);
          expect(joined(pieces.map(spanOf))).toEqual([[first, last]]);
          expect(pieces.length).toBeLessThanOrEqual(2 * 8 * length);
        }),
        { numRuns: 200 },
      );
    },
  );

  it('of one address is one prefix of full length, of all addresses the prefix of length 0', () => {
    expect(outbound(ts('192.0.2.7'), ts('198.51.100.1'))[0]?.source).toEqual({ address: '192.0.2.7', length: 32 });
    expect(outbound(ts('0.0.0.0', '255.255.255.255'), ts('198.51.100.1'))[0]?.source).toEqual({
      address: '0.0.0.0',
      length: 0,
    });
    const all6 = ts('::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
    expect(outbound(all6, ts('2001:db8::1'))[0]?.source).toEqual({ address: '::', length: 0 });
  });
});

describe('a range of ports', () => {
  it('is covered by its masks exactly', () => {
    const port = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.constantFrom(0, 1, 65_534, 65_535, 32_767, 32_768));
    fc.assert(
      fc.property(port, port, (left, right) => {
        const [startPort, endPort] = left <= right ? [left, right] : [right, left];
        const selectors = outbound(
          ts('192.0.2.1', '192.0.2.1', { protocol: 6, startPort, endPort }),
          ts('198.51.100.1'),
        );
        const masks = unique(
          selectors.map(({ sourcePort }) => sourcePort),
          ({ value, mask }) => `${value}/${mask}`,
        );
        for (const probe of [0, startPort - 1, startPort, startPort + 1, endPort - 1, endPort, endPort + 1, 65_535]) {
          if (probe < 0 || probe > 65_535) continue;
          const covered = masks.filter((mask) => matches(probe, mask)).length;
          expect(covered).toBe(probe >= startPort && probe <= endPort ? 1 : 0);
        }
        expect(masks.reduce((sum, { mask }) => sum + 0x10000 - mask, 0)).toBe(
          masks.some(({ mask }) => mask === 0) ? 0x10000 : endPort - startPort + 1,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('of both sides is combined; of all ports it is no port at all', () => {
    const [only] = outbound(
      ts('192.0.2.1', '192.0.2.1', { protocol: 6 }),
      ts('198.51.100.1', '198.51.100.1', { startPort: 443, endPort: 443 }),
    );
    expect(only).toEqual({
      source: { address: '192.0.2.1', length: 32 },
      destination: { address: '198.51.100.1', length: 32 },
      protocol: 6,
      sourcePort: { value: 0, mask: 0 },
      destinationPort: { value: 443, mask: 0xffff },
    });
  });
});

describe('selectors for the kernel', () => {
  it('are refused where there would be too many, instead of being widened', () => {
    const awkward = ts('10.0.0.1', '10.255.255.254', { protocol: 17, startPort: 1, endPort: 65_534 });
    expect(outboundSelectors([awkward], [awkward], DEFAULT_LIMITS)).toBeUndefined();
    const many = Array.from({ length: 32 }, (_, index) => ts(`10.0.${index}.1`));
    expect(outboundSelectors(many, many, DEFAULT_LIMITS)).toBeUndefined();
    expect(outboundSelectors(many.slice(0, 8), many.slice(0, 16), DEFAULT_LIMITS)).toHaveLength(128);
  });

  it('pair what goes together: one family, one protocol', () => {
    expect(outboundSelectors([ts('192.0.2.1')], [ts('2001:db8::1')], DEFAULT_LIMITS)).toBeUndefined();
    const tcp = ts('192.0.2.1', '192.0.2.1', { protocol: 6 });
    const udp = ts('198.51.100.1', '198.51.100.1', { protocol: 17 });
    expect(outboundSelectors([tcp], [udp], DEFAULT_LIMITS)).toBeUndefined();
    expect(
      outboundSelectors([tcp, ts('2001:db8::2')], [ts('198.51.100.1'), ts('2001:db8::1')], DEFAULT_LIMITS),
    ).toHaveLength(2);
  });

  it.each([
    ['any message', 0, 65_535, [0, 0], [0, 0]],
    ['one type', 0x0800, 0x08ff, [8, 0xffff], [0, 0]],
    ['one type and code', 0x0301, 0x0301, [3, 0xffff], [1, 0xffff]],
  ] as const)('have ICMP type and code where the kernel looks for them: %s', (_, startPort, endPort, type, code) => {
    const icmp = { protocol: 1, startPort, endPort };
    const [only] = outbound(ts('192.0.2.1', '192.0.2.1', icmp), ts('198.51.100.1', '198.51.100.1', { protocol: 1 }));
    expect([only?.sourcePort, only?.destinationPort]).toEqual([
      { value: type[0], mask: type[1] },
      { value: code[0], mask: code[1] },
    ]);
    const back = reversed(only as Selector);
    expect([back.sourcePort, back.destinationPort]).toEqual([only?.sourcePort, only?.destinationPort]);
    expect([back.source, back.destination]).toEqual([only?.destination, only?.source]);
  });

  it('have no form for a range of ICMP types', () => {
    const icmp = { protocol: 1, startPort: 0x0300, endPort: 0x08ff };
    expect(outbound(ts('192.0.2.1', '192.0.2.1', icmp), ts('198.51.100.1'))).toEqual([]);
  });

  it('the way back has source and destination exchanged, ports too', () => {
    const [out] = outbound(
      ts('192.0.2.1', '192.0.2.1', { protocol: 6, startPort: 80, endPort: 80 }),
      ts('198.51.100.1'),
    );
    expect(reversed(reversed(out as Selector))).toEqual(out);
    expect(reversed(out as Selector).destinationPort).toEqual({ value: 80, mask: 0xffff });
  });
});

describe('narrowing', () => {
  const octet = fc.integer({ min: 0, max: 15 });
  const random = fc
    .tuple(octet, octet, fc.constantFrom(0, 6, 17), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }))
    .map(([a, b, protocol, p, q]) =>
      ts(`10.0.0.${Math.min(a, b)}`, `10.0.0.${Math.max(a, b)}`, {
        protocol,
        startPort: Math.min(p, q),
        endPort: Math.max(p, q),
      }),
    );
  const covers = (list: readonly TrafficSelector[], host: number, protocol: number, port: number): boolean =>
    list.some(
      (each) =>
        (each.start[3] ?? 0) <= host &&
        host <= (each.end[3] ?? 0) &&
        (each.protocol === 0 || each.protocol === protocol) &&
        each.startPort <= port &&
        port <= each.endPort,
    );

  it('leaves exactly the packets that both sides want (RFC 7296 §2.9)', () => {
    fc.assert(
      fc.property(fc.array(random, { maxLength: 4 }), fc.array(random, { maxLength: 4 }), (offered, allowed) => {
        const common = narrow(offered, allowed, DEFAULT_LIMITS);
        for (let host = 0; host < 16; host += 1) {
          for (const protocol of [6, 17, 50]) {
            for (const port of [0, 3, 5, 8]) {
              const wanted = covers(offered, host, protocol, port) && covers(allowed, host, protocol, port);
              expect(covers(common, host, protocol, port)).toBe(wanted);
            }
          }
        }
        expect(isWithin(common, offered) && isWithin(common, allowed)).toBe(true);
        expect(common.length).toBeLessThanOrEqual(DEFAULT_LIMITS.selectorsPerSide);
      }),
      { numRuns: 150 },
    );
  });

  it('considers no more selectors than the limit, however many a peer sends', () => {
    const offered = Array.from({ length: 255 }, (_, index) => ts(`10.0.${index}.1`));
    expect(narrow(offered, [ts('10.0.0.0', '10.0.255.255')], DEFAULT_LIMITS)).toHaveLength(32);
  });

  it('meets nothing in OPAQUE ports (RFC 7296 §3.13.1)', () => {
    const opaque = ts('10.0.0.1', '10.0.0.1', { startPort: 65_535, endPort: 0 });
    expect(narrow([opaque], [ts('10.0.0.1')], DEFAULT_LIMITS)).toEqual([]);
  });
});

describe('configured selectors', () => {
  it('without a prefix stand for the address that IKE itself uses', () => {
    const any = { protocol: 0, fromPort: 0, toPort: 65_535 };
    expect(trafficSelectors([any], address('2001:db8::7'))).toEqual([ts('2001:db8::7')]);
  });

  it.each([
    ['10.1.0.0/16', ts('10.1.0.0', '10.1.255.255')],
    ['10.0.0.1-10.0.0.9', ts('10.0.0.1', '10.0.0.9')],
    ['10.1.0.0/16[tcp/443]', ts('10.1.0.0', '10.1.255.255', { protocol: 6, startPort: 443, endPort: 443 })],
    ['10.1.0.0/16[udp/1000-2000]', ts('10.1.0.0', '10.1.255.255', { protocol: 17, startPort: 1000, endPort: 2000 })],
    ['10.1.0.0/16[icmp/8]', ts('10.1.0.0', '10.1.255.255', { protocol: 1, startPort: 0x0800, endPort: 0x08ff })],
    ['10.1.0.0/16[icmp/3.1]', ts('10.1.0.0', '10.1.255.255', { protocol: 1, startPort: 0x0301, endPort: 0x0301 })],
    ['2001:db8::/32[icmpv6]', ts('2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', { protocol: 58 })],
    ['0.0.0.0/0[47]', ts('0.0.0.0', '255.255.255.255', { protocol: 47 })],
  ])('are shown as %s', (text, selector) => {
    expect(selectorText(selector)).toBe(text);
  });
});
