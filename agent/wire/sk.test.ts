import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nobleProvider } from '../crypto/noble/noble-provider.ts';
import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import type { DirectionKeys, MessageProtection } from '../crypto/types.ts';
import { decodeMessage, decodePayloads, encodePayloads } from './message.ts';
import type { ProtectedPayload } from './payloads/encrypted.ts';
import type { Payload } from './payloads/payload.ts';
import { EncryptionId, IntegrityId } from './registry.ts';
import { encodeFragments, encodeProtected, type IvSource, openProtected, type ProtectedMessage } from './sk.ts';
import { payloads as anyPayloads, headerFields } from './testing/arbitraries.ts';
import { CHAINS, counting, PROTECTED_MESSAGES, sample } from './testing/samples.ts';

const NO_BYTES = new Uint8Array(0);
const CBC_KEYS: DirectionKeys = { encryption: counting(0, 32), integrity: counting(0x40, 32) };
const GCM_KEYS: DirectionKeys = { encryption: counting(0, 36), integrity: NO_BYTES };
const PROVIDERS = [nobleProvider, opensslProvider];

describe.each(PROVIDERS)('messages composed by another implementation, with $name', (provider) => {
  const cbc = need(provider.messageProtection(EncryptionId.ENCR_AES_CBC, 256, IntegrityId.AUTH_HMAC_SHA2_256_128));
  const gcm = need(provider.messageProtection(EncryptionId.ENCR_AES_GCM_16, 256, IntegrityId.NONE));

  it.each([
    { name: 'sealed-aes-cbc', chain: 'ike-auth-request', protection: cbc, keys: CBC_KEYS },
    { name: 'sealed-aes-gcm', chain: 'informational-delete', protection: gcm, keys: GCM_KEYS },
    { name: 'sealed-empty', chain: undefined, protection: gcm, keys: GCM_KEYS },
  ] as const)('$name opens to its payloads and is sealed to the same bytes', ({ name, chain, protection, keys }) => {
    const bytes = sample(name);
    const { header, frame } = decode(bytes);
    const opened = openProtected(bytes, frame, protection, keys);
    const expected =
      chain === undefined ? { first: 0, bytes: NO_BYTES } : { first: CHAINS[chain], bytes: sample(chain) };
    expect(opened).toEqual({ ok: true, value: expected });
    const payloads = payloadsOf(expected.first, expected.bytes);
    const iv = fixedIv(bytes.slice(frame.ivOffset, frame.ivOffset + protection.ivBytes));
    expect(encodeProtected({ header, payloads, protection, keys, iv })).toEqual(bytes);
  });

  it('fragments open to their parts, the first payload type is told by the first one', () => {
    const whole = sample('ike-auth-request');
    const open = (bytes: Uint8Array) => openProtected(bytes, decode(bytes).frame, gcm, GCM_KEYS);
    expect(open(sample('fragment-1'))).toEqual({ ok: true, value: { first: 35, bytes: whole.slice(0, 200) } });
    expect(open(sample('fragment-3'))).toEqual({ ok: true, value: { first: 0, bytes: whole.slice(400) } });
  });

  it('do not open with the lowest or the highest bit of any byte changed, the header included', () => {
    for (const name of PROTECTED_MESSAGES) {
      const [protection, keys] = name === 'sealed-aes-cbc' ? [cbc, CBC_KEYS] : [gcm, GCM_KEYS];
      const bytes = sample(name);
      for (let at = 0; at < bytes.length; at++) {
        for (const flip of [0x01, 0x80]) {
          bytes[at] = (bytes[at] as number) ^ flip;
          const decoded = decodeMessage(bytes);
          if (decoded.ok && decoded.value.protected !== undefined) {
            const opened = openProtected(bytes, decoded.value.protected, protection, keys);
            expect(opened, `${name}, byte ${at}`).toEqual({ ok: false, error: { kind: 'integrity' } });
          }
          bytes[at] = (bytes[at] as number) ^ flip;
        }
      }
    }
  });

  it('do not open under other keys', () => {
    const bytes = sample('sealed-aes-gcm');
    const keys = { encryption: counting(1, 36), integrity: NO_BYTES };
    expect(openProtected(bytes, decode(bytes).frame, gcm, keys)).toEqual({ ok: false, error: { kind: 'integrity' } });
  });

  it('without room for IV and ICV do not open, whatever their length', () => {
    const bytes = sample('sealed-aes-cbc');
    for (let length = 32; length < 96; length++) {
      const short = bytes.slice(0, length);
      new DataView(short.buffer).setUint16(30, length - 28);
      new DataView(short.buffer).setUint32(24, length);
      const { frame } = decode(short);
      expect(openProtected(short, frame, cbc, CBC_KEYS)).toEqual({ ok: false, error: { kind: 'integrity' } });
      expect(openProtected(short, frame, gcm, GCM_KEYS)).toEqual({ ok: false, error: { kind: 'integrity' } });
    }
  });
});

describe('protected messages', () => {
  const header = decode(sample('sealed-aes-gcm')).header;

  it('open to the payloads that were sealed', () => {
    fc.assert(
      fc.property(headerFields, anyPayloads, fc.constantFrom(1, 16), (fields, payloads, blockBytes) => {
        const protection = transparent(blockBytes);
        const bytes = encodeProtected({ header: fields, payloads, protection, keys: GCM_KEYS, iv: fixedIv(IV) });
        const opened = openProtected(bytes, decode(bytes).frame, protection, GCM_KEYS);
        if (!opened.ok) throw new Error(opened.error.kind);
        expect(payloadsOf(opened.value.first, opened.value.bytes)).toEqual(payloads);
      }),
      { numRuns: 300 },
    );
  });

  it('are padded to whole blocks with as little as possible', () => {
    for (let size = 0; size < 40; size++) {
      const payloads: Payload[] = [{ kind: 'vendor', data: counting(0, size) }];
      const bytes = encodeProtected({ header, payloads, protection: transparent(16), keys: GCM_KEYS, iv: fixedIv(IV) });
      const encrypted = bytes.length - 32 - IV.length - ICV_BYTES;
      const padLength = bytes[bytes.length - ICV_BYTES - 1] as number;
      expect(encrypted % 16).toBe(0);
      expect(padLength).toBeLessThan(16);
      expect(padLength).toBe(encrypted - (4 + size) - 1);
    }
  });

  it('may be padded with anything up to 255 bytes by the peer', () => {
    const chain = encodePayloads([{ kind: 'nonce', data: counting(0, 16) }]);
    const padding = new Uint8Array(255).fill(0xa5);
    const bytes = framed(chain.first, new Uint8Array([...chain.bytes, ...padding, 255]));
    expect(openProtected(bytes, decode(bytes).frame, transparent(1), GCM_KEYS)).toEqual({ ok: true, value: chain });
  });

  it('with more padding than content, or without Pad Length, are malformed', () => {
    const tooMuch = framed(41, new Uint8Array([1, 2, 3, 4]));
    expect(openProtected(tooMuch, decode(tooMuch).frame, transparent(1), GCM_KEYS)).toMatchObject({
      error: { kind: 'malformed', offset: 3, field: 'Pad Length' },
    });
    const allPadding = framed(0, new Uint8Array([1, 2, 3, 3]));
    expect(openProtected(allPadding, decode(allPadding).frame, transparent(1), GCM_KEYS)).toEqual({
      ok: true,
      value: { first: 0, bytes: NO_BYTES },
    });
    const nothing = framed(41, NO_BYTES);
    expect(openProtected(nothing, decode(nothing).frame, transparent(1), GCM_KEYS)).toMatchObject({
      error: { kind: 'malformed', field: 'Pad Length' },
    });
  });
});

describe('fragments (RFC 7383)', () => {
  const { header } = decode(sample('sealed-aes-gcm'));
  const payloads = payloadsOf(35, sample('ike-auth-request'));
  const message: ProtectedMessage = { header, payloads, protection: transparent(1), keys: GCM_KEYS, iv: fixedIv(IV) };

  it('are not made of a message that fits to the byte', () => {
    const whole = encodeProtected(message);
    expect(encodeFragments(message, whole.length)).toEqual([whole]);
    expect(encodeFragments(message, whole.length - 1).map((bytes) => decode(bytes).frame.kind)).toEqual(['skf', 'skf']);
  });

  it('fill their datagrams, are numbered, and only the first tells the type of the first payload', () => {
    const datagrams = encodeFragments(message, 300);
    const frames = datagrams.map((bytes) => decode(bytes).frame);
    expect(datagrams.map((bytes) => bytes.length)).toEqual([300, 300, 85]);
    expect(frames.map((frame) => frame.innerFirst)).toEqual([35, 0, 0]);
    expect(frames).toMatchObject([
      { fragmentNumber: 1, totalFragments: 3 },
      { fragmentNumber: 2, totalFragments: 3 },
      { fragmentNumber: 3, totalFragments: 3 },
    ]);
  });

  it('have an IV each', () => {
    let counter = 0;
    const iv: IvSource = {
      fill(target) {
        counter++;
        target.fill(counter);
      },
    };
    const datagrams = encodeFragments({ ...message, iv }, 300);
    expect(datagrams.map((bytes) => bytes[decode(bytes).frame.ivOffset])).toEqual([1, 2, 3]);
    expect(counter).toBe(3);
  });

  it('never exceed the limit and join to the payloads that were cut', () => {
    fc.assert(
      fc.property(anyPayloads, fc.integer({ min: 128, max: 700 }), fc.constantFrom(1, 16), (chain, limit, block) => {
        const protection = transparent(block);
        const datagrams = encodeFragments({ ...message, payloads: chain, protection }, limit);
        const opened = datagrams.map((bytes) => {
          expect(bytes.length).toBeLessThanOrEqual(limit);
          const result = openProtected(bytes, decode(bytes).frame, protection, GCM_KEYS);
          if (!result.ok) throw new Error(result.error.kind);
          return result.value;
        });
        const joined = new Uint8Array(opened.flatMap((part) => [...part.bytes]));
        expect({ first: opened[0]?.first, bytes: joined }).toEqual(encodePayloads(chain));
      }),
      { numRuns: 300 },
    );
  });

  it('that could carry nothing, or would be too many, are a bug of the caller', () => {
    expect(() => encodeFragments(message, 36 + IV.length + ICV_BYTES + 1)).toThrow(/cannot be sent/);
    const large: Payload[] = [{ kind: 'cert', encoding: 4, data: new Uint8Array(60_000) }];
    expect(() => encodeFragments({ ...message, payloads: large }, 250)).toThrow(/cannot be sent/);
    expect(encodeFragments({ ...message, payloads: large }, 300).length).toBe(252);
  });
});

const IV = counting(0xe0, 8);
const ICV_BYTES = 16;

/** Protection without encryption, to see what stands inside: the ICV is not looked at. */
function transparent(blockBytes: number): MessageProtection {
  return {
    ivBytes: IV.length,
    icvBytes: ICV_BYTES,
    blockBytes,
    encryptionKeyBytes: 0,
    integrityKeyBytes: 0,
    unpredictableIv: false,
    seal: () => undefined,
    open: (_keys, message, ivOffset) => message.slice(ivOffset + IV.length, message.length - ICV_BYTES),
  };
}

/** A message with this plaintext, padding included, in SK. */
function framed(innerFirst: number, plaintext: Uint8Array): Uint8Array {
  const sk = new Uint8Array([innerFirst, 0, 0, 0, ...IV, ...plaintext, ...new Uint8Array(ICV_BYTES)]);
  new DataView(sk.buffer).setUint16(2, sk.length);
  const bytes = new Uint8Array([...sample('sealed-aes-gcm').subarray(0, 28), ...sk]);
  new DataView(bytes.buffer).setUint32(24, bytes.length);
  return bytes;
}

function fixedIv(iv: Uint8Array): IvSource {
  return { fill: (target) => target.set(iv) };
}

function decode(bytes: Uint8Array) {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) throw new Error(`${decoded.error.field}: ${decoded.error.reason}`);
  const { header, protected: frame } = decoded.value;
  return { header, frame: need<ProtectedPayload>(frame) };
}

function payloadsOf(first: number, bytes: Uint8Array): readonly Payload[] {
  const decoded = decodePayloads(first, bytes);
  if (!decoded.ok) throw new Error(`${decoded.error.field}: ${decoded.error.reason}`);
  return decoded.value;
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}
