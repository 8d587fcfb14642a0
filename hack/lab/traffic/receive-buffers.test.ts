import { expect, it } from 'vitest';

import { parseFullBuffers } from './receive-buffers.ts';

const SNMP = `Icmp: InMsgs InErrors
Icmp: 1 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 4194 0 438 4336 438 0 0 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 0 0 0 0 7 0 0 0 0
`;

it('adds up the datagrams that found a full buffer, of both families', () => {
  expect(parseFullBuffers(`${SNMP}Udp6InErrors                    \t3\nUdp6RcvbufErrors                \t2\n`)).toBe(
    440,
  );
});

it('does not take a kernel that says nothing of them for one that dropped none', () => {
  expect(() => parseFullBuffers(SNMP)).toThrow(/no RcvbufErrors/);
});
