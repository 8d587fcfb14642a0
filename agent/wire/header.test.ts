import { describe, expect, it } from 'vitest';

import { decodeHeader, spiBytes, spiFromBytes, ZERO_SPI } from './header.ts';
import { decodeMessage } from './message.ts';
import { hex, sample } from './testing/samples.ts';

describe('IKE SPI', () => {
  it('is written as 16 lowercase digits and read back', () => {
    const spi = spiFromBytes(hex('00090a0f99a0f0ff'));
    expect(spi).toBe('00090a0f99a0f0ff');
    expect(spiBytes(spi)).toEqual(hex('00090a0f99a0f0ff'));
    expect(spiFromBytes(new Uint8Array(8))).toBe(ZERO_SPI);
    expect(spiBytes(ZERO_SPI)).toEqual(new Uint8Array(8));
  });

  it('is read from a view into a larger buffer', () => {
    expect(spiFromBytes(hex('aaaa0102030405060708bbbb').subarray(2, 10))).toBe('0102030405060708');
  });
});

describe('IKE header', () => {
  it('shorter than 28 bytes is malformed (CVE-2013-4564)', () => {
    for (let length = 0; length < 28; length++) {
      expect(decodeHeader(sample('ike-sa-init-request').subarray(0, length))).toMatchObject({
        error: {
          kind: 'malformed',
          offset: 0,
          field: 'IKE header',
          reason: `needs 28 bytes, the datagram has ${length}`,
        },
      });
    }
  });

  it('must state the length of its datagram, and says which way it is wrong', () => {
    const bytes = sample('ike-sa-init-cookie');
    expect(decodeHeader(bytes.subarray(0, 55))).toMatchObject({
      error: { offset: 24, field: 'Length', reason: "56 is more than the datagram's 55 bytes" },
    });
    expect(decodeHeader(new Uint8Array([...bytes, 0]))).toMatchObject({
      error: { offset: 24, field: 'Length', reason: "56 is less than the datagram's 57 bytes" },
    });
    expect(decodeHeader(patched(bytes, 24, 0xff, 0xff, 0xff, 0xff))).toMatchObject({
      error: { reason: "4294967295 is more than the datagram's 56 bytes" },
    });
  });

  it('of another major version is read, so that it can be answered, but its payloads are not (RFC 7296 §2.5)', () => {
    for (const major of [0, 1, 3, 15]) {
      const bytes = patched(sample('ike-sa-init-request'), 17, (major << 4) | 5);
      expect(decodeHeader(bytes)).toMatchObject({ ok: true, value: { majorVersion: major, minorVersion: 5 } });
      expect(decodeMessage(bytes)).toMatchObject({
        error: { field: 'Major Version', reason: `is ${major}, these payloads are of 2` },
      });
    }
  });

  it('of a higher minor version and with undefined flags is accepted (RFC 7296 §2.5, §3.1)', () => {
    expect(decodeMessage(patched(sample('ike-sa-init-request'), 17, 0x2f, 34, 0xdf))).toMatchObject({
      ok: true,
      value: { header: { minorVersion: 15, flags: { initiator: true, response: false, higherVersion: true } } },
    });
  });

  it('with an initiator SPI of zero is malformed', () => {
    expect(decodeHeader(patched(sample('ike-sa-init-request'), 0, ...new Uint8Array(8)))).toMatchObject({
      error: { offset: 0, field: "IKE SA Initiator's SPI", reason: 'is zero' },
    });
  });

  it('reads message IDs up to 2^32 - 1', () => {
    expect(decodeHeader(patched(sample('ike-sa-init-request'), 20, 255, 255, 255, 255))).toMatchObject({
      value: { messageId: 4294967295 },
    });
  });
});

function patched(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  bytes.set(values, at);
  return bytes;
}
