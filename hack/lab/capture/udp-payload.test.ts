import { describe, expect, it } from 'vitest';

import { udpOverIpv4 } from './udp-payload.ts';

describe('udpOverIpv4', () => {
  const ethernet = [...new Array<number>(12).fill(2), 0x08, 0x00];
  const ip = [0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
  const udp = [0x01, 0xf4, 0x11, 0x94, 0, 11, 0, 0, 7, 8, 9];

  it('gives ports and data, without the padding of a short frame', () => {
    const frame = Uint8Array.from([...ethernet, ...ip, ...udp, 0, 0, 0, 0, 0, 0]);
    expect(udpOverIpv4(frame)).toEqual({ sourcePort: 500, destinationPort: 4500, data: Uint8Array.of(7, 8, 9) });
  });

  it.each([
    ['TCP', ip.with(9, 6)],
    ['a later fragment', ip.with(7, 100)],
    ['ARP', undefined],
  ])('is nothing for %s', (_, header) => {
    const frame = header === undefined ? [...ethernet.with(13, 6), ...ip, ...udp] : [...ethernet, ...header, ...udp];
    expect(udpOverIpv4(Uint8Array.from(frame))).toBeUndefined();
  });
});
