import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bytesFromHex } from '../crypto/bytes.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import {
  readBoolean,
  readElements,
  readNamedBits,
  readOid,
  readSequence,
  readSingle,
  readSmallInteger,
  readTime,
  readUnsigned,
} from './der.ts';
import { readDistinguishedName } from './distinguished-name.ts';
import { readRevocationList } from './revocation-list.ts';
import { dns, TEST_TIME, TestAuthority } from './testing/authority.ts';
import { element, integer, name, namedBits, oid, sequence, time } from './testing/der-writer.ts';
import { timeText } from './utc-time.ts';

function one(hex: string) {
  return readElements(bytesFromHex(hex), 1)?.[0];
}

describe('DER', () => {
  it.each([
    ['a tag without a length', '30'],
    ['a length that leads beyond the end', '300205'],
    ['an indefinite length', '30800000'],
    ['a length in long form that would fit into the short one', '30810205 00'.replace(' ', '')],
    ['a length with a leading zero', '3082008000'],
    ['a length of five bytes', '30850000000001 00'.replace(' ', '')],
    ['a tag of several bytes', '1f810100'],
  ])('with %s is not read', (_, hex) => {
    expect(readElements(bytesFromHex(hex), 10)).toBeUndefined();
  });

  it('of more elements than were asked for is not read', () => {
    expect(readElements(bytesFromHex('050005000500'), 3)).toHaveLength(3);
    expect(readElements(bytesFromHex('050005000500'), 2)).toBeUndefined();
  });

  it('is one element only where it ends with the bytes', () => {
    expect(readSingle(bytesFromHex('0500'), 5)).toBeDefined();
    expect(readSingle(bytesFromHex('050000'), 5)).toBeUndefined();
    expect(readSequence(bytesFromHex('30020500ff'), 5)).toBeUndefined();
  });

  it('has integers in their shortest form', () => {
    expect(readUnsigned(one('020100'))).toEqual(Uint8Array.of(0));
    expect(readUnsigned(one('02020080'))).toEqual(Uint8Array.of(0x80));
    for (const hex of ['0200', '020180', '0202007f', '02020001']) expect(readUnsigned(one(hex))).toBeUndefined();
    expect(readSmallInteger(one('0205007fffffff'))).toBeUndefined();
    expect(readSmallInteger(one('02047fffffff'))).toBe(0x7fffffff);
    expect(readSmallInteger(one('02050100000000'))).toBeUndefined();
  });

  it('has two values of BOOLEAN', () => {
    expect(['0101ff', '010100', '010101', '0100', '0102ffff'].map((hex) => readBoolean(one(hex)))).toEqual([
      true,
      false,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('has object identifiers in their shortest form', () => {
    for (const text of ['1.3.6.1.5.5.7.3.17', '2.5.29.15', '2.999.1', '0.9.2342.19200300.100.1.25']) {
      expect(readOid(readElements(oid(text), 1)?.[0])).toBe(text);
    }
    for (const hex of ['0600', '06028001', '060180', '060a2affffffffffffffff7f'])
      expect(readOid(one(hex))).toBeUndefined();
  });

  it('has named bits', () => {
    expect(readNamedBits(readElements(namedBits(0, 5, 8), 1)?.[0])).toBe(1 | 32 | 256);
    expect(readNamedBits(one('030100'))).toBe(0);
    for (const hex of ['0300', '030108', '030101', '0306000000000000']) expect(readNamedBits(one(hex))).toBeUndefined();
  });

  it('has times as the calendar does, to the second, in both forms', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }), (seconds) => {
        expect(readTime(readElements(time(seconds * 1_000), 1)?.[0])).toBe(seconds * 1_000);
        const iso = new Date(seconds * 1_000).toISOString();
        expect(timeText(seconds * 1_000)).toBe(`${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`);
      }),
    );
  });

  it.each([
    '261127120000',
    '2611271200Z',
    '261127120060Z',
    '261327120000Z',
    '260229120000Z',
    '261127240000Z',
    '261127120000+0000',
  ])('has no time %s', (text) => {
    expect(readTime(readElements(element(0x17, new TextEncoder().encode(text)), 1)?.[0])).toBeUndefined();
  });
});

describe('a distinguished name', () => {
  it('is written with the most specific part first, without what could forge a line of a log', () => {
    const read = readDistinguishedName(name({ C: 'DE', O: 'Mesh, Inc', CN: 'a\nb\u202e' }));
    expect(read?.text).toBe('CN=a?b?, O=Mesh\\, Inc, C=DE');
  });

  it('is not the same as another one whose attributes only look alike', () => {
    const joined = readDistinguishedName(name({ CN: 'a","2.5.4.10=b' }));
    const apart = readDistinguishedName(name({ CN: 'a', O: 'b' }));
    expect(joined?.parts).not.toEqual(apart?.parts);
  });

  it('may have its text in any type of string, each compared as text', () => {
    const types = [0x0c, 0x13, 0x16, 0x14].map((tag) => new TextEncoder().encode('Mesh').length && tag);
    const names = types.map((tag) =>
      sequence(element(0x31, sequence(oid('2.5.4.10'), element(tag, new TextEncoder().encode('Mesh'))))),
    );
    names.push(
      sequence(
        element(0x31, sequence(oid('2.5.4.10'), element(0x1e, Uint8Array.of(0, 0x4d, 0, 0x65, 0, 0x73, 0, 0x68)))),
      ),
    );
    expect(new Set(names.map((der) => JSON.stringify(readDistinguishedName(der)?.parts))).size).toBe(1);
  });

  it.each([
    ['a part that is no set', sequence(sequence())],
    ['an empty part', sequence(element(0x31))],
    ['an attribute without a value', sequence(element(0x31, sequence(oid('2.5.4.3'))))],
    ['an attribute with two values', sequence(element(0x31, sequence(oid('2.5.4.3'), integer(1), integer(2))))],
    [
      'too many parts',
      sequence(...Array.from({ length: 33 }, () => element(0x31, sequence(oid('2.5.4.3'), integer(1))))),
    ],
  ])('with %s is none', (_, der) => {
    expect(readDistinguishedName(der)).toBeUndefined();
  });
});

describe('bytes that strangers have made', () => {
  const root = TestAuthority.root();
  const genuine = [
    root.node('node-a.mesh.test', { extendedKeyUsages: ['1.3.6.1.5.5.7.3.17'], permitted: [dns('mesh.test')] }).der,
    root.revocationList([1n, 2n, 3n]),
    name({ O: 'Mesh', CN: 'node-a' }),
  ];
  const readers = [readCertificate, readRevocationList, readDistinguishedName];

  it('never make a reader throw: anything at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const read of readers) read(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never make a reader throw: what is genuine, changed, cut or repeated', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...genuine),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
        fc.nat(),
        (bytes, changes, cut) => {
          const changed = bytes.slice();
          for (const [place, value] of changes) changed[place % changed.length] = value;
          for (const read of readers) {
            read(changed);
            read(changed.subarray(0, cut % (changed.length + 1)));
          }
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('of deep nesting are refused without recursion', () => {
    let nested = new Uint8Array(0);
    for (let depth = 0; depth < 5_000; depth += 1) nested = Uint8Array.from(sequence(nested));
    for (const read of readers) expect(() => read(nested)).not.toThrow();
  });

  it('cost time in proportion to their length', () => {
    const many = sequence(...Array.from({ length: 100_000 }, () => sequence(integer(1), time(TEST_TIME))));
    const began = performance.now();
    for (const read of readers) read(many);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('that are genuine are read', () => {
    const read = readCertificate(genuine[0] ?? new Uint8Array(0));
    expect(read.ok && (read.value satisfies Certificate).names).toEqual([{ kind: 'dns', name: 'node-a.mesh.test' }]);
    const list = readRevocationList(genuine[1] ?? new Uint8Array(0));
    expect(list.ok && [...list.value.serials]).toEqual(['01', '02', '03']);
  });
});
