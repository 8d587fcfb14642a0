import { describe, expect, it } from 'vitest';

import { parseStates } from '../xfrm/xfrm-dump.ts';
import { listPlutoSas } from './list-states.ts';

describe('listPlutoSas', () => {
  it('reads IKE SAs with their Child SAs: SPIs, suites, selectors, and the packets that the kernel counted', () => {
    const sas = listPlutoSas({ states, log, kernel: parseStates(kernel) });
    expect(sas).toMatchObject([
      { name: 'one', uniqueId: '5', state: 'ESTABLISHED', suite: 'aes256gcm16-prfsha384-ecp256' },
      { name: 'six', uniqueId: '6', state: 'ESTABLISHED', suite: 'aes256-sha256-prfsha256-modp2048' },
      { name: 'half', uniqueId: '8', state: 'IKE_SA_INIT_I', suite: '', children: [] },
    ]);
    expect(sas[0]?.children).toEqual([
      {
        name: 'two',
        uniqueId: '3',
        state: 'INSTALLED',
        mode: 'TUNNEL',
        encapsulated: false,
        spiIn: 'bfaae802',
        spiOut: '877a862e',
        suite: 'aes256gcm16',
        localSelectors: ['198.51.100.0/28[icmp]'],
        remoteSelectors: ['203.0.113.0/28[icmp]'],
        packetsIn: 7,
        packetsOut: 0,
      },
      expect.objectContaining({
        name: 'one',
        mode: 'TRANSPORT',
        spiIn: '71661a0e',
        spiOut: '0247eb47',
        suite: 'aes256gcm16-esn',
        localSelectors: ['10.78.0.1/32[udp/7101]'],
      }),
    ]);
  });

  it('reads SAs of IPv6, of ESP in UDP, and of connections with several peers', () => {
    const [, six] = listPlutoSas({ states, log, kernel: [] });
    expect(six?.children).toMatchObject([
      { state: 'INSTALLED', spiIn: 'dd51bb01', spiOut: '0c0c0e4f', encapsulated: true, suite: 'aes256-sha256' },
    ]);
  });

  it('gives an empty list when pluto has no SA', () => {
    expect(listPlutoSas({ states: '', log, kernel: [] })).toEqual([]);
  });
});

// As libreswan 5.2 prints it.
const states = `\
#4: "one":500 ESTABLISHED_CHILD_SA (established Child SA); REKEY in 27771s; REPLACE in 28797s; newest; eroute owner; IKE SA #5; idle;
#4: "one" esp.247eb47@10.78.0.2 esp.71661a0e@10.78.0.1 Traffic: ESPin=0B ESPout=0B ESPmax=2^63B
#5: "one":500 ESTABLISHED_IKE_SA (established IKE SA); REKEY in 28010s; REPLACE in 28798s; newest; idle;
#3: "two":500 ESTABLISHED_CHILD_SA (established Child SA); REKEY in 28171s; REPLACE in 28797s; newest; eroute owner; IKE SA #5; idle;
#3: "two" esp.877a862e@10.78.0.2 esp.bfaae802@10.78.0.1 tun.0@10.78.0.2 tun.0@10.78.0.1 Traffic: ESPin=128B ESPout=128B ESPmax=2^63B
#6: "six"[1] 2001:db8::2:4500 ESTABLISHED_IKE_SA (established IKE SA); REKEY in 28151s; REPLACE in 28799s; newest; idle;
#7: "six"[1] 2001:db8::2:4500 ESTABLISHED_CHILD_SA (established Child SA); REKEY in 28189s; REPLACE in 28799s; newest; eroute owner; IKE SA #6; idle;
#7: "six"[1] 2001:db8::2 esp:c0c0e4f@2001:db8::2 esp:dd51bb01@2001:db8::1 Traffic: ESPin=0B ESPout=0B ESPmax=2^63B
#8: "half":500 IKE_SA_INIT_I (sent IKE_SA_INIT request); RETRANSMIT in 1s; idle;
`;
const log = `\
"one" #1: processed IKE_SA_INIT response from 10.78.0.2:UDP/500 {cipher=AES_GCM_16_256 integ=n/a prf=HMAC_SHA2_384 group=DH20}, initiating IKE_AUTH
"two" #3: initiator established Child SA using #1; IPsec tunnel [198.51.100.0/28/ICMP/0===203.0.113.0/28/ICMP/0] {ESP=>0x877a862e <0xbfaae802 xfrm=AES_GCM_16_256-NONE-DH19 DPD=passive}
"one" #4: initiator rekeyed Child SA #2 using #1; IPsec transport [10.78.0.1/32/UDP/7101===10.78.0.2/32/UDP/7101] {ESP/ESN=>0x0247eb47 <0x71661a0e xfrm=AES_GCM_16_256-NONE-DH19 DPD=passive}
"one" #5: initiator rekeyed IKE SA #1 {cipher=AES_GCM_16_256 integ=n/a prf=HMAC_SHA2_384 group=DH19}
"six"[1] 2001:db8::2 #6: sent IKE_SA_INIT response to [2001:db8::1]:UDP/500 {cipher=AES_CBC_256 integ=HMAC_SHA2_256_128 prf=HMAC_SHA2_256 group=MODP2048}
"six"[1] 2001:db8::2 #7: responder established Child SA using #6; IPsec transport [2001:db8::1/128===2001:db8::2/128] {ESPinUDP=>0x0c0c0e4f <0xdd51bb01 xfrm=AES_CBC_256-HMAC_SHA2_256_128 NATD=[2001:db8::1]:4500 DPD=passive}
`;
const kernel = `\
src 10.78.0.2 dst 10.78.0.1
\tproto esp spi 0xbfaae802(3215648770) reqid 16393(0x00004009) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)
\tlifetime current:
\t  588(bytes), 7(packets)
`;
