import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Result } from '../result.ts';
import {
  parseCreateChildRequest,
  parseCreateChildResponse,
  parseIkeAuthRequest,
  parseIkeAuthResponse,
  parseIkeSaInitRequest,
  parseIkeSaInitResponse,
  parseInformational,
  parseRekeyIkeResponse,
} from './grammar.ts';
import type { Malformed } from './malformed.ts';
import { decodeMessage, decodePayloads, encodeMessage, encodePayloads } from './message.ts';
import { decodeNotifyData } from './notify-data.ts';
import type { Payload } from './payloads/payload.ts';
import { headerFields, payloads } from './testing/arbitraries.ts';
import { CHAINS, hex, PLAIN_MESSAGES, PROTECTED_MESSAGES, type SampleName, sample } from './testing/samples.ts';

describe('every prefix and every corruption of one byte', () => {
  it.each([...PLAIN_MESSAGES, ...PROTECTED_MESSAGES])('of %s is a value or malformed', (name) => {
    eachDamage(sample(name), (bytes, further) => {
      const decoded = decodeMessage(bytes);
      checkOutcome(decoded, bytes);
      if (decoded.ok && further) checkPayloads(decoded.value.payloads);
    });
  });

  it.each(Object.entries(CHAINS))('of the payloads of %s is a value or malformed', (name, first) => {
    eachDamage(sample(name as SampleName), (bytes, further) => {
      const decoded = decodePayloads(first, bytes);
      checkOutcome(decoded, bytes);
      if (decoded.ok && further) checkPayloads(decoded.value);
    });
  });
});

describe('random input', () => {
  it('of any bytes under any first type is a value or malformed', () => {
    const type = fc.oneof(fc.integer({ min: 33, max: 53 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 120 }), (first, bytes) => {
        const decoded = decodePayloads(first, bytes);
        checkOutcome(decoded, bytes);
        if (decoded.ok) checkPayloads(decoded.value);
      }),
      { numRuns: 3000 },
    );
  });

  it('made of valid messages by changing, cutting out and doubling parts is a value or malformed', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(12), fc.uint8Array({ maxLength: 6 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(headerFields, payloads, damage, (fields, chain, edits) => {
        let bytes = encodeMessage(fields, chain);
        for (const [position, count, inserted] of edits) {
          const at = 28 + (position % Math.max(1, bytes.length - 28));
          bytes = new Uint8Array([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + count)]);
        }
        if (bytes.length >= 28) new DataView(bytes.buffer).setUint32(24, bytes.length);
        const decoded = decodeMessage(bytes);
        checkOutcome(decoded, bytes);
        if (decoded.ok) checkPayloads(decoded.value.payloads);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what has broken other implementations', () => {
  it('payload length below its own header, or zero: refused, never a loop', () => {
    for (const length of ['0000', '0001', '0003']) {
      expect(failure(43, `2b00${length} 00000000`)).toMatchObject({
        offset: 4,
        field: 'Payload Length',
        reason: 'is less than its own header',
      });
    }
  });

  it('payload length beyond the message (CVE-2016-6415): refused, nothing is read behind the end', () => {
    expect(failure(43, '0000ffff 0000')).toMatchObject({
      field: 'Payload Length',
      reason: 'needs 65531 bytes, only 2 are left',
    });
  });

  it('bytes behind the last payload, and a next payload behind the end', () => {
    expect(failure(43, '00000004 00')).toMatchObject({ offset: 4, reason: '1 bytes follow the last payload' });
    expect(failure(43, '29000004')).toMatchObject({ offset: 4, field: 'Next Payload' });
    expect(failure(0, '00')).toMatchObject({ offset: 0, reason: '1 bytes follow the last payload' });
  });

  it('more payloads than the cap, before SKF too (CVE-2026-12413)', () => {
    const header = sample('fragment-1').subarray(0, 28);
    const message = (count: number) => {
      const unknown = new Uint8Array(4 * count);
      for (let i = 0; i < count; i++) unknown.set([i + 1 < count ? 200 : 53, 0, 0, 4], 4 * i);
      const bytes = new Uint8Array([...header, ...unknown, ...hex('0000000c 0001000100000000')]);
      bytes[16] = 200;
      new DataView(bytes.buffer).setUint32(24, bytes.length);
      return bytes;
    };
    expect(decodeMessage(message(63))).toMatchObject({ ok: true, value: { protected: { kind: 'skf' } } });
    expect(decodeMessage(message(64))).toMatchObject({ error: { reason: 'more than 64 payloads' } });
    const inner = (count: number): Payload[] => Array(count).fill({ kind: 'vendor', data: new Uint8Array(0) });
    expect(decodePayloads(43, encodePayloads(inner(256)).bytes)).toMatchObject({ ok: true });
    expect(decodePayloads(43, encodePayloads(inner(257)).bytes)).toMatchObject({
      error: { reason: 'more than 256 payloads' },
    });
  });

  it('SK or SKF inside of SK, and SK that is not the last payload', () => {
    expect(failure(46, '00000004')).toMatchObject({ reason: 'payload 46 stands inside of SK' });
    expect(failure(53, '00000004')).toMatchObject({ reason: 'payload 53 stands inside of SK' });
    const bytes = new Uint8Array([...sample('sealed-empty'), ...hex('00000004')]);
    new DataView(bytes.buffer).setUint32(24, bytes.length);
    expect(decodeMessage(bytes)).toMatchObject({ error: { reason: 'SK is not the last payload' } });
  });

  it('fragments too short for their fields, numbered 0, beyond the total, or too many (CVE-2016-1287, CVE-2013-6076)', () => {
    const skf = (body: string) => {
      const payload = hex(body);
      const bytes = new Uint8Array([...sample('fragment-1').subarray(0, 28), 0, 0, 0, 4 + payload.length, ...payload]);
      new DataView(bytes.buffer).setUint32(24, bytes.length);
      return decodeMessage(bytes);
    };
    for (const body of ['', '00', '0001', '000100']) expect(skf(body)).toMatchObject({ error: { kind: 'malformed' } });
    expect(skf('00000001')).toMatchObject({ error: { field: 'Fragment Number', reason: '0 is not one of 1 to 1' } });
    expect(skf('00000000')).toMatchObject({ error: { field: 'Fragment Number' } });
    expect(skf('00030002')).toMatchObject({ error: { field: 'Fragment Number', reason: '3 is not one of 1 to 2' } });
    expect(skf('00010100')).toMatchObject({ error: { field: 'Total Fragments' } });
    expect(skf('00ff00ff')).toMatchObject({ ok: true, value: { protected: { fragmentNumber: 255 } } });
  });

  it('SA payloads whose inner lengths, counts and last markers disagree', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['', 'Proposal Last Substruc'],
      ['00000003', 'Proposal Length'],
      ['0000ffff 01010000', 'Proposal Length'],
      ['00000008 01010001', 'Transform Last Substruc'],
      ['00000010 01010000 0000000801000014', 'Proposal Length'],
      ['00000010 01010002 0300000801000014', 'Transform Last Substruc'],
      ['00000010 01010001 0300000801000014', 'Transform Last Substruc'],
      ['00000010 01010001 0000000001000014', 'Transform Length'],
      ['00000010 01010001 0000000701000014', 'Transform ID'],
      ['00000010 01010001 0000000901000014', 'Transform Length'],
      ['00000011 01010001 000000090100001480', 'Attribute Type'],
      ['00000014 01010001 0000000c01000014 000e0001', 'Attribute Value'],
      ['02000008 01010000', 'Proposal Last Substruc'],
      ['00000008 01010000 00000008 02010000', 'Proposal Last Substruc'],
      ['02000008 01010000 00000008 01010000', 'Proposal Num'],
      ['02000008 01010000 00000008 03010000', 'Proposal Num'],
    ];
    for (const [body, field] of cases) expect(bodyFailure(33, body), body).toMatchObject({ field });
  });

  it('proposals with an SPI size that their protocol does not have, or a reserved SPI', () => {
    for (const [protocol, size] of [
      [1, 4],
      [1, 7],
      [1, 255],
      [2, 0],
      [3, 0],
      [3, 8],
    ] as const) {
      const proposal = `0000${(8 + size).toString(16).padStart(4, '0')}01${byteHex(protocol)}${byteHex(size)}00`;
      expect(bodyFailure(33, `${proposal}${'01'.repeat(size)}`)).toMatchObject({ field: 'Proposal SPI Size' });
    }
    expect(bodyFailure(33, '0000000c 01030400 000000ff')).toMatchObject({ field: 'Proposal SPI' });
    expect(bodyFailure(33, '00000010 01010800 0000000000000000')).toMatchObject({ field: 'Proposal SPI' });
    expect(decodePayloads(33, hex('00000010 0000000c 01030400 00000100'))).toMatchObject({ ok: true });
  });

  it('more proposals or attributes than the cap', () => {
    const proposals = Array.from({ length: 65 }, (_, i) => `${i < 64 ? '02' : '00'}000008${byteHex(i + 1)}010000`);
    expect(bodyFailure(33, proposals.join(''))).toMatchObject({ reason: 'more than 64 proposals' });
    const attributes = '800e0080'.repeat(9);
    expect(bodyFailure(33, `00000034 01010001 0000002c01000014 ${attributes}`)).toMatchObject({
      reason: 'more than 8 attributes',
    });
  });

  it('traffic selectors whose number or lengths are wrong, or whose ranges are upside down (CVE-2023-23009)', () => {
    const whole = '0700001000000000 0a000000 0a0000ff';
    const cases: readonly (readonly [string, string])[] = [
      ['', 'Number of TSs'],
      ['00000000', 'Number of TSs'],
      ['01000000', 'TS Type'],
      [`02000000 ${whole}`, 'TS Type'],
      [`00000000 ${whole}`, 'Number of TSs'],
      [`01000000 ${whole} ${whole}`, 'Number of TSs'],
      ['01000000 0700000f00000000 0a000000 0a0000ff', 'Selector Length'],
      ['01000000 0700001100000000 0a000000 0a0000ff', 'Selector Length'],
      ['01000000 0700002800000000 0a000000 0a0000ff', 'Selector Length'],
      ['01000000 0800001000000000 0a000000 0a0000ff', 'Selector Length'],
      ['01000000 07000000', 'Selector Length'],
      ['01000000 0a000003', 'Selector Length'],
      ['01000000 0700001000020001 0a000000 0a0000ff', 'Start Port'],
      ['01000000 07000010ffff0001 0a000000 0a0000ff', 'Start Port'],
      ['01000000 0700001000000000 0a000001 0a000000', 'Starting Address'],
    ];
    for (const type of [44, 45]) {
      for (const [body, field] of cases) expect(bodyFailure(type, body), body).toMatchObject({ field });
      expect(decodePayloads(type, hex(`00000018 01000000 ${whole}`))).toMatchObject({ ok: true });
    }
  });

  it('Delete payloads whose number times size is not their length, or whose size is not their protocol’s', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['03040001', 'Num of SPIs'],
      ['03040001 c0ffee', 'Num of SPIs'],
      ['03040001 c0ffee01 c0ffee02', 'Num of SPIs'],
      ['0304ffff c0ffee01', 'Num of SPIs'],
      ['03000000', 'Delete SPI Size'],
      ['03080001 c0ffee01c0ffee02', 'Delete SPI Size'],
      ['01080001 c0ffee01c0ffee02', 'Delete SPI Size'],
      ['01000001', 'Num of SPIs'],
      ['0400ffff', 'Num of SPIs'],
    ];
    for (const [body, field] of cases) expect(bodyFailure(42, body), body).toMatchObject({ field });
    expect(bodyFailure(42, `03040401 ${'c0ffee01'.repeat(1025)}`)).toMatchObject({ field: 'Num of SPIs' });
  });

  it('Notify payloads with more SPI than they have, or than any protocol has', () => {
    expect(bodyFailure(41, '03044009 c0ffee')).toMatchObject({ field: 'Notify SPI' });
    expect(bodyFailure(41, `03ff4009 ${'00'.repeat(255)}`)).toMatchObject({ field: 'Notify SPI Size' });
  });

  it('nonces and keys of impossible lengths', () => {
    for (const length of [0, 1, 15, 257, 300]) {
      expect(bodyFailure(40, '00'.repeat(length))).toMatchObject({ field: 'Nonce Data' });
    }
    for (const length of [16, 256])
      expect(decodePayloads(40, payloadBytes('00'.repeat(length)))).toMatchObject({ ok: true });
    expect(bodyFailure(34, '001f0000')).toMatchObject({ field: 'Key Exchange Data' });
    expect(bodyFailure(34, '001f')).toMatchObject({ field: 'KE RESERVED' });
  });

  it('address identities that are no address, and identities without their fields (CVE-2013-6075)', () => {
    for (const type of [35, 36]) {
      for (const body of ['', '02', '020000'])
        expect(bodyFailure(type, body), body).toMatchObject({ kind: 'malformed' });
      for (const body of ['01000000', '01000000 c00002', '01000000 c000020100', '05000000 c0000201']) {
        expect(bodyFailure(type, body), body).toMatchObject({ field: 'Identification Data' });
      }
      expect(decodePayloads(type, payloadBytes('09000000'))).toMatchObject({ ok: true });
    }
  });

  it('certificate requests that are no list of hashes', () => {
    expect(bodyFailure(38, `04 ${'00'.repeat(19)}`)).toMatchObject({ field: 'Certification Authority' });
    expect(bodyFailure(38, '')).toMatchObject({ field: 'Cert Encoding' });
  });

  it('EAP messages whose length is not that of the payload', () => {
    for (const body of ['', '0107', '01070005', '01070006 01', '01070004', '03070005 01', '03070003', '02070003 01']) {
      expect(bodyFailure(48, body), body).toMatchObject({ kind: 'malformed' });
    }
  });

  it('configuration attributes beyond their payload, or too many', () => {
    expect(bodyFailure(47, '01000000 00010004 c00002')).toMatchObject({ field: 'Configuration Attribute Value' });
    expect(bodyFailure(47, '01000000 0001')).toMatchObject({ field: 'Configuration Attribute Length' });
    expect(bodyFailure(47, `01000000 ${'00010000'.repeat(257)}`)).toMatchObject({ reason: 'more than 256' });
  });

  it('the largest message of the smallest parts is decoded in bounded time', () => {
    const transforms = Array.from({ length: 255 }, (_, i) => `${i < 254 ? '03' : '00'}00000801000014`).join('');
    const proposals = Array.from(
      { length: 31 },
      (_, i) => `${i < 30 ? '02' : '00'}000800${byteHex(i + 1)}0100ff${transforms}`,
    );
    const decoded = decodePayloads(33, payloadBytes(proposals.join('')));
    expect(decoded.ok && decoded.value[0]?.kind === 'sa' && decoded.value[0].proposals.length).toBe(31);
  });
});

/**
 * Calls `check` with every proper prefix, those of whole messages also with the header's length set right, and with
 * every other value of every byte; `further` where one bit is wrong, to look there at what becomes of the value.
 */
function eachDamage(original: Uint8Array, check: (bytes: Uint8Array, further: boolean) => void): void {
  for (let length = 0; length < original.length; length++) {
    const prefix = original.slice(0, length);
    check(prefix, true);
    if (length >= 28) {
      new DataView(prefix.buffer).setUint32(24, length);
      check(prefix, true);
    }
  }
  const bytes = original.slice();
  for (let at = 0; at < bytes.length; at++) {
    for (let change = 1; change < 256; change++) {
      bytes[at] = (original[at] as number) ^ change;
      check(bytes, (change & (change - 1)) === 0);
    }
    bytes[at] = original[at] as number;
  }
}

function checkOutcome(outcome: Result<unknown, Malformed>, bytes: Uint8Array): void {
  if (outcome.ok) return;
  const { kind, offset, field, reason } = outcome.error;
  if (kind !== 'malformed' || offset < 0 || offset > bytes.length || field === '' || reason === '') {
    throw new Error(`not a proper failure: ${JSON.stringify(outcome.error)}`);
  }
}

const parsers = [
  parseIkeSaInitRequest,
  parseIkeSaInitResponse,
  parseIkeAuthRequest,
  parseIkeAuthResponse,
  parseCreateChildRequest,
  parseCreateChildResponse,
  parseRekeyIkeResponse,
  parseInformational,
];

/** What was decoded can be encoded, is then read as the same, and every reader of it returns. */
function checkPayloads(decoded: readonly Payload[]): void {
  const { first, bytes } = encodePayloads(decoded);
  const again = decodePayloads(first, bytes);
  if (!again.ok) throw new Error(`not read back: ${again.error.reason}`);
  if (!sameBytes(encodePayloads(again.value).bytes, bytes)) throw new Error('read back as something else');
  for (const parse of parsers) parse(decoded);
  for (const payload of decoded) if (payload.kind === 'notify') decodeNotifyData(payload);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

function failure(first: number, digits: string): Malformed | undefined {
  const decoded = decodePayloads(first, hex(digits));
  return decoded.ok ? undefined : decoded.error;
}

/** The failure of one payload of this type with this body. */
function bodyFailure(type: number, body: string): Malformed | undefined {
  const decoded = decodePayloads(type, payloadBytes(body));
  return decoded.ok ? undefined : decoded.error;
}

function payloadBytes(body: string): Uint8Array {
  const bytes = new Uint8Array([0, 0, 0, 0, ...hex(body)]);
  new DataView(bytes.buffer).setUint16(2, bytes.length);
  return bytes;
}

function byteHex(value: number): string {
  return value.toString(16).padStart(2, '0');
}
