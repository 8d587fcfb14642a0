import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  formatCidr,
  inZone,
  ipAddressBytes,
  ipAddressFromBytes,
  ipFamily,
  isLinkLocal,
  parseCidr,
  parseIpAddress,
  parseZonedAddress,
  withoutZone,
  zoneOf,
} from './ip-address.ts';
import { hex } from './testing/samples.ts';

describe('IP address', () => {
  it('has one form for all spellings (RFC 5952)', () => {
    expect(parseIpAddress('192.0.2.1')).toBe('192.0.2.1');
    expect(parseIpAddress('2001:0DB8:0:0:0:0:0:1')).toBe('2001:db8::1');
    expect(parseIpAddress('2001:db8:0:1:1:1:1:1')).toBe('2001:db8:0:1:1:1:1:1');
    expect(parseIpAddress('2001:db8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1');
    expect(parseIpAddress('::')).toBe('::');
  });

  it('is not what only looks like one', () => {
    const texts = ['', '192.0.2', '192.0.2.256', '010.0.0.1', '0x7f.0.0.1', '3221225985', '192.0.2.1/32', ' 192.0.2.1'];
    const more = ['fe80::1%eth0', '2001:db8::1::', '[::1]', '2001:db8::12345', 'node-a', '::1 '];
    for (const text of [...texts, ...more]) expect(parseIpAddress(text), text).toBeUndefined();
  });

  it('comes back from its bytes, and bytes from it', () => {
    expect(ipAddressFromBytes(hex('c0000201'))).toBe('192.0.2.1');
    expect(ipAddressFromBytes(hex('20010db8000000000000000000000001'))).toBe('2001:db8::1');
    fc.assert(
      fc.property(fc.oneof(bytesOf(4), bytesOf(16)), (bytes) => {
        const address = ipAddressFromBytes(bytes);
        expect(ipAddressBytes(address)).toEqual(bytes);
        expect(parseIpAddress(address)).toBe(address);
        expect(ipFamily(address)).toBe(bytes.length === 4 ? 4 : 6);
      }),
    );
  });
});

describe('link-local address', () => {
  const address = (text: string) => {
    const parsed = parseZonedAddress(text);
    if (parsed === undefined) throw new Error(text);
    return parsed;
  };

  it('is another one on each link, by the interface behind it (RFC 4007 §11)', () => {
    expect(address('FE80:0::1%eth0')).toBe('fe80::1%eth0');
    expect(zoneOf(address('fe80::1%eth0.100'))).toBe('eth0.100');
    expect(withoutZone(address('fe80::1%eth0'))).toBe('fe80::1');
    expect(ipAddressBytes(address('febf::1%eth0'))).toEqual(hex('febf0000000000000000000000000001'));
    expect(ipFamily(address('fe80::1%eth0'))).toBe(6);
    for (const text of ['fe80::1', '192.0.2.1', '2001:db8::1']) {
      expect([parseZonedAddress(text), zoneOf(address(text))]).toEqual([text, undefined]);
    }
  });

  it('takes a zone that the kernel could have as an interface, and no other address takes one', () => {
    const texts = ['fe80::1%', 'fe80::1%a b', 'fe80::1%a/b', 'fe80::1%0123456789abcdef', 'fe80::1%eth0%eth1', '%eth0'];
    for (const text of [...texts, '2001:db8::1%eth0', '169.254.0.1%eth0', 'fec0::1%eth0', 'fe80::1/64%eth0']) {
      expect(parseZonedAddress(text), text).toBeUndefined();
    }
    expect(inZone(address('2001:db8::1'), 'eth0')).toBe('2001:db8::1');
    expect(inZone(address('fe80::1'), 'eth0')).toBe('fe80::1%eth0');
    expect(inZone(address('fe80::1'), undefined)).toBe('fe80::1');
    expect(['fe7f::1', 'fe80::', 'febf:ffff::', 'fec0::'].map((text) => isLinkLocal(address(text)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('CIDR', () => {
  it('is read and written', () => {
    for (const text of ['0.0.0.0/0', '192.0.2.0/24', '192.0.2.1/32', '10.64.0.0/10', '::/0', '2001:db8::/33']) {
      const cidr = parseCidr(text);
      expect(cidr.ok && formatCidr(cidr.value), text).toBe(text);
    }
    expect(parseCidr('2001:DB8:0::/48')).toEqual({ ok: true, value: { address: '2001:db8::', prefixLength: 48 } });
  });

  it('is refused with the reason, and with the network where host bits are set', () => {
    const refused: readonly (readonly [string, string])[] = [
      ['192.0.2.0', '"192.0.2.0" has no prefix length; write it as 192.0.2.0/24 or 2001:db8::/64'],
      ['node/24', '"node" is not an IP address'],
      ['192.0.2.0/33', 'the prefix length "33" is not a number from 0 to 32'],
      ['2001:db8::/129', 'the prefix length "129" is not a number from 0 to 128'],
      ['192.0.2.0/', 'the prefix length "" is not a number from 0 to 32'],
      ['192.0.2.0/024', 'the prefix length "024" is not a number from 0 to 32'],
      ['192.0.2.0/-1', 'the prefix length "-1" is not a number from 0 to 32'],
      ['192.0.2.0/24/8', 'the prefix length "24/8" is not a number from 0 to 32'],
      ['10.65.0.1/10', '"10.65.0.1/10" has bits set behind its prefix; the network is 10.64.0.0/10'],
      ['2001:db8::1/64', '"2001:db8::1/64" has bits set behind its prefix; the network is 2001:db8::/64'],
    ];
    for (const [text, reason] of refused) expect(parseCidr(text), text).toEqual({ ok: false, error: reason });
  });
});

function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes));
}
