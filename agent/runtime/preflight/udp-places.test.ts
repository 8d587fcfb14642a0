import { expect, it } from 'vitest';

import { udpPlaces } from './udp-places.ts';

it('the sockets of /proc/net/udp and udp6 are read with their addresses', () => {
  // As Linux 6.12 prints them.
  const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1016: 0100007F:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5123 2 0000000061a55b00 0
 5016: 00000000:1194 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5124 2 0000000061a55900 0
`;
  const udp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
 1016: B80D0120000000000000000001000000:01F4 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
`;
  expect(udpPlaces(udp)).toEqual([
    { address: '127.0.0.1', port: 500 },
    { address: '0.0.0.0', port: 4500 },
  ]);
  expect(udpPlaces(udp6)).toEqual([{ address: '2001:db8::1', port: 500 }]);
  expect(udpPlaces('')).toEqual([]);
});
