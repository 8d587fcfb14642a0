import { describe, expect, it } from 'vitest';

import { foreignObjects, parsePolicies, parseStates } from './xfrm-dump.ts';

describe('parseStates', () => {
  it('reads SAs of both modes with their counters', () => {
    expect(parseStates(states)).toMatchObject([
      {
        source: '10.78.0.2',
        destination: '10.78.0.1',
        protocol: 'esp',
        spi: 0x1001,
        reqid: 1,
        mode: 'tunnel',
        flags: ['esn'],
        encapsulation: { sourcePort: 4500, destinationPort: 4500 },
        bytes: 0,
        packets: 0,
      },
      { spi: 0x1000, reqid: 1, mode: 'transport', flags: [], bytes: 128, packets: 2 },
    ]);
    expect(parseStates(states)[1]).not.toHaveProperty('encapsulation');
  });

  it('finds nothing in an empty dump', () => {
    expect(parseStates('')).toEqual([]);
  });
});

describe('parsePolicies', () => {
  it('reads selectors, indexes, priorities and templates, those of sockets too', () => {
    expect(parsePolicies(policies)).toMatchObject([
      { source: '10.0.0.0/8', destination: '10.9.0.0/16', direction: 'fwd', action: 'block', index: 10, templates: [] },
      {
        source: '10.78.0.1/32',
        direction: 'out',
        action: 'allow',
        index: 16385,
        priority: 0,
        templates: [{ protocol: 'esp', spi: 0, reqid: 1, mode: 'transport', level: 'required', source: '0.0.0.0' }],
      },
      { source: '10.78.0.1/32', index: 1, priority: 5, templates: [{ level: 'use' }] },
      { source: '0.0.0.0/0', direction: 'socket in', action: 'allow' },
    ]);
  });
});

describe('foreignObjects', () => {
  it('shows a changed foreign object, and no change of ours', () => {
    const isOurs = (policy: { readonly index: number }) => policy.index === 16385;
    const before = foreignObjects(parsePolicies(policies), isOurs);
    const oursChanged = policies.replace('index 16385 priority 0', 'index 16385 priority 9');
    const foreignChanged = policies.replace('index 1 priority 5', 'index 1 priority 6');
    expect(foreignObjects(parsePolicies(oursChanged), isOurs)).toEqual(before);
    expect(foreignObjects(parsePolicies(foreignChanged), isOurs)).not.toEqual(before);
    expect(before.join('')).toHaveLength(policies.length - (parsePolicies(policies)[1]?.text.length ?? 0));
  });
});

// As iproute2 6.15 prints them.
const states = `src 10.78.0.2 dst 10.78.0.1
	proto esp spi 0x00001001(4097) reqid 1(0x00000001) mode tunnel
	replay-window 0 seq 0x00000000 flag esn (0x10000000)
	auth-trunc hmac(sha256) 0x0001020304050607080900010203040506070809000102030405060708090001 (256 bits) 128
	enc cbc(aes) 0x00010203040506070809000102030405 (128 bits)
	encap type espinudp sport 4500 dport 4500 addr 0.0.0.0
	anti-replay esn context:
	 seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0
	 replay_window 32, bitmap-length 1
	 00000000 
	sel src 10.0.0.0/8 dst 0.0.0.0/0 uid 0
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	  expire add: soft 0(sec), hard 0(sec)
	  expire use: soft 0(sec), hard 0(sec)
	lifetime current:
	  0(bytes), 0(packets)
	  add 2026-11-22 23:40:51 use -
	stats:
	  replay-window 0 replay 0 failed 0
src 10.78.0.1 dst 10.78.0.2
	proto esp spi 0x00001000(4096) reqid 1(0x00000001) mode transport
	replay-window 0 seq 0x00000000 flag  (0x00000000)
	aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 (160 bits) 128
	lastused 2026-11-22 23:40:53
	anti-replay context: seq 0x0, oseq 0x2, bitmap 0x00000000
	sel src 0.0.0.0/0 dst 0.0.0.0/0 uid 0
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	  expire add: soft 0(sec), hard 0(sec)
	  expire use: soft 0(sec), hard 0(sec)
	lifetime current:
	  128(bytes), 2(packets)
	  add 2026-11-22 23:40:50 use 2026-11-22 23:40:52
	stats:
	  replay-window 0 replay 0 failed 0
`;

const policies = `src 10.0.0.0/8 dst 10.9.0.0/16 uid 0
	dir fwd action block index 10 priority 0 ptype main share any flag  (0x00000000)
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	  expire add: soft 0(sec), hard 0(sec)
	  expire use: soft 0(sec), hard 0(sec)
	lifetime current:
	  0(bytes), 0(packets)
	  add 2026-11-22 23:40:52 use -
src 10.78.0.1/32 dst 10.78.0.2/32 uid 0
	dir out action allow index 16385 priority 0 ptype main share any flag  (0x00000000)
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	  expire add: soft 0(sec), hard 0(sec)
	  expire use: soft 0(sec), hard 0(sec)
	lifetime current:
	  0(bytes), 0(packets)
	  add 2026-11-22 23:40:52 use 2026-11-22 23:40:53
	tmpl src 0.0.0.0 dst 0.0.0.0
		proto esp spi 0x00000000(0) reqid 1(0x00000001) mode transport
		level required share any 
		enc-mask ffffffff auth-mask ffffffff comp-mask ffffffff
src 10.78.0.1/32 dst 10.78.0.2/32 proto udp dport 99 uid 0
	dir out action allow index 1 priority 5 ptype main share any flag  (0x00000000)
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	  expire add: soft 0(sec), hard 0(sec)
	  expire use: soft 0(sec), hard 0(sec)
	lifetime current:
	  0(bytes), 0(packets)
	  add 2026-11-22 23:40:52 use -
	tmpl src 0.0.0.0 dst 0.0.0.0
		proto esp spi 0x00000000(0) reqid 1(0x00000001) mode transport
		level use share any 
		enc-mask ffffffff auth-mask ffffffff comp-mask ffffffff
src 0.0.0.0/0 dst 0.0.0.0/0 uid 0
	socket in action allow index 83 priority 0 ptype main share any flag  (0x00000000)
	lifetime current:
	  0(bytes), 0(packets)
`;
