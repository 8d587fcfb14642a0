import { expect, it } from 'vitest';

import { listIkedSas } from './list-sas.ts';

/** `ikectl show sa` of OpenIKED 7.4. */
const sas = `iked_sas: 0x55000fae50 rspi 0x93e94e3592ff3c94 ispi 0xfa37e148b6a163ca 192.0.2.2:500->192.0.2.1:500<FQDN/agent.lab.test>[] ESTABLISHED i nexti (nil) pol 0x55000f90c0
  sa_childsas: 0x55001193c0 ESP 0x7a93bd54 out 192.0.2.2:500 -> 192.0.2.1:500 (L) B=(nil) P=0x5500119470 @0x55000fae50
  sa_childsas: 0x5500119470 ESP 0x0419c27b in 192.0.2.1:500 -> 192.0.2.2:500 (LA) B=(nil) P=0x55001193c0 @0x55000fae50
  sa_flows: 0x5500117b80 ESP out 192.0.2.2/32 -> 192.0.2.1/32 [0]@-1 (L) @0x55000fae50
iked_activesas: 0x55001193c0 ESP 0x7a93bd54 out 192.0.2.2:500 -> 192.0.2.1:500 (L) B=(nil) P=0x5500119470 @0x55000fae50
iked_activesas: 0x5500119470 ESP 0x0419c27b in 192.0.2.1:500 -> 192.0.2.2:500 (LA) B=(nil) P=0x55001193c0 @0x55000fae50
iked_dstid_sas: 0x55000fae50 rspi 0x93e94e3592ff3c94 ispi 0xfa37e148b6a163ca 192.0.2.2:500->192.0.2.1:500<FQDN/agent.lab.test>[] ESTABLISHED i nexti (nil) pol 0x55000f90c0
`;
const log = `spi=0xfa37e148b6a163ca: ikev2_childsa_enable: loaded SPIs: 0x7a93bd54, 0x0419c27b (enc aes-256 auth hmac-sha2-384)
spi=0xfa37e148b6a163ca: established peer 192.0.2.1:500[FQDN/agent.lab.test] local 192.0.2.2:500[FQDN/peer.lab.test] policy 'data' as initiator (enc aes-256-gcm group curve25519 prf hmac-sha2-384)
`;

it('an IKE SA and its Child SA are listed once, with what was agreed on', () => {
  expect(listIkedSas({ sas, log, kernel: [], name: 'data' })).toMatchObject([
    {
      name: 'data',
      uniqueId: 'fa37e148b6a163ca',
      state: 'ESTABLISHED',
      suite: 'aes256gcm16-prfsha384-x25519',
      children: [{ spiIn: '0419c27b', spiOut: '7a93bd54', suite: 'aes256-sha384', state: 'INCOMPLETE' }],
    },
  ]);
});

it('nothing is listed where there is nothing', () => {
  expect(listIkedSas({ sas: '', log: '', kernel: [], name: 'data' })).toEqual([]);
});
