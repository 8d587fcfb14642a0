import { describe, expect, it } from 'vitest';

import { parseEchoReplies } from './echo-replies.ts';

const snmp = `Ip: Forwarding DefaultTTL InReceives InHdrErrors
Ip: 2 64 42 0
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps
Icmp: 60 0 0 0 0 0 0 0 40 20
IcmpMsg: InType0 InType8
IcmpMsg: 20 40
`;
const snmp6 =
  'Icmp6InErrors                   \t0\nIcmp6InEchos                    \t40\nIcmp6InEchoReplies              \t19\n';

describe('echo replies by the count of the kernel', () => {
  it('are those of both families', () => {
    expect(parseEchoReplies(snmp + snmp6)).toBe(39);
  });

  it('are not taken for none where the kernel says nothing of them', () => {
    expect(() => parseEchoReplies(snmp)).toThrow('does not count');
    expect(() => parseEchoReplies(snmp.replaceAll('InEchoReps', 'Other') + snmp6)).toThrow('does not count');
  });
});
