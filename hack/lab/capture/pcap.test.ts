import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parsePcap } from './pcap.ts';

describe('parsePcap', () => {
  it.each([
    ['little-endian microseconds', 0xa1b2c3d4, true, 250_000],
    ['big-endian microseconds', 0xa1b2c3d4, false, 250_000],
    ['little-endian nanoseconds', 0xa1b23c4d, true, 250_000_000],
    ['big-endian nanoseconds', 0xa1b23c4d, false, 250_000_000],
  ])('reads %s', (_, magic, little, fraction) => {
    const file = pcap(magic, little, [
      { seconds: 7, fraction, bytes: [1, 2, 3], wireLength: 3 },
      { seconds: 8, fraction: 0, bytes: [4], wireLength: 1500 },
    ]);
    const parsed = parsePcap(file);
    expect(parsed).toMatchObject({ ok: true, value: { linkType: 1, truncated: false } });
    if (!parsed.ok) return;
    expect(parsed.value.packets.map(({ at, wireLength }) => [at, wireLength])).toEqual([
      [7.25, 3],
      [8, 1500],
    ]);
    expect([...(parsed.value.packets[0]?.bytes ?? [])]).toEqual([1, 2, 3]);
  });

  it('keeps the whole packets of a file that is still written, and says that it is cut', () => {
    const whole = pcap(0xa1b2c3d4, true, [
      { seconds: 1, fraction: 0, bytes: [1, 2, 3], wireLength: 3 },
      { seconds: 2, fraction: 0, bytes: [4, 5, 6], wireLength: 3 },
    ]);
    const parsed = parsePcap(whole.subarray(0, whole.length - 1));
    expect(parsed.ok && parsed.value.packets.length).toBe(1);
    expect(parsed.ok && parsed.value.truncated).toBe(true);
  });

  it('refuses what is no pcap file, and a packet longer than any snapshot', () => {
    expect(parsePcap(new Uint8Array(23)).ok).toBe(false);
    expect(parsePcap(new Uint8Array(24)).ok).toBe(false);
    const file = pcap(0xa1b2c3d4, true, [{ seconds: 1, fraction: 0, bytes: [1], wireLength: 1 }]);
    new DataView(file.buffer).setUint32(24 + 8, 0x7fffffff, true);
    expect(parsePcap(file)).toEqual({ ok: false, error: 'a packet of 2147483647 bytes at offset 24' });
  });

  it('gives a value for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof parsePcap(bytes).ok === 'boolean'));
  });
});

interface TestPacket {
  readonly seconds: number;
  readonly fraction: number;
  readonly bytes: readonly number[];
  readonly wireLength: number;
}

function pcap(magic: number, little: boolean, packets: readonly TestPacket[]): Uint8Array {
  const file = new Uint8Array(24 + packets.reduce((sum, packet) => sum + 16 + packet.bytes.length, 0));
  const view = new DataView(file.buffer);
  view.setUint32(0, magic, little);
  view.setUint32(20, 1, little);
  let at = 24;
  for (const packet of packets) {
    view.setUint32(at, packet.seconds, little);
    view.setUint32(at + 4, packet.fraction, little);
    view.setUint32(at + 8, packet.bytes.length, little);
    view.setUint32(at + 12, packet.wireLength, little);
    file.set(packet.bytes, at + 16);
    at += 16 + packet.bytes.length;
  }
  return file;
}
