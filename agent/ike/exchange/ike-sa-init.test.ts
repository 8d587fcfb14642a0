import { describe, expect, it } from 'vitest';

import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { connectionConfig, Pair, present, proposal } from '../testing/pair.ts';
import { calling, headline, parsed, ScriptedPeer, texts } from '../testing/scripted-peer.ts';

const TWO_GROUPS = [proposal('aes256gcm16', 'prfsha384', 'x25519', 'ecp384')];

function cookie(...bytes: readonly number[]) {
  return notify(NotifyType.COOKIE, Uint8Array.from(bytes));
}

function wantsGroup(group: number) {
  return notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(group >> 8, group & 255));
}

/** What two IKE_SA_INIT requests of one attempt have to have in common, and the group and cookie that may differ. */
function initOf(bytes: Uint8Array) {
  const { header, payloads } = parsed(bytes);
  const ke = payloads.find((payload) => payload.kind === 'ke');
  const found = payloads.find((payload) => payload.kind === 'notify' && payload.notifyType === NotifyType.COOKIE);
  return {
    spi: header.initiatorSpi,
    messageId: header.messageId,
    sa: payloads.find((payload) => payload.kind === 'sa'),
    nonce: payloads.find((payload) => payload.kind === 'nonce'),
    group: ke?.group,
    ke: ke?.data,
    cookie: found?.kind === 'notify' ? [...found.data] : undefined,
    first: payloads[0]?.kind,
  };
}

describe('IKE_SA_INIT as initiator', () => {
  it('repeats the same request with the COOKIE in front of it, under message ID 0 (RFC 7296 §2.6)', () => {
    const peer = calling();
    const first = peer.take();
    peer.send(peer.initRefusal(first, cookie(1, 2, 3)));
    const second = initOf(peer.take());
    expect(second).toEqual({ ...initOf(first), cookie: [1, 2, 3], first: 'notify' });
    expect(second.messageId).toBe(0);
  });

  it('changes nothing else, not even what pretends a NAT and is random (RFC 7296 §2.6)', () => {
    const peer = calling({ natTraversal: 'Always' });
    const first = peer.take();
    peer.send(peer.initRefusal(first, cookie(1, 2, 3)));
    expect(parsed(peer.take()).payloads).toEqual([cookie(1, 2, 3), ...parsed(first).payloads]);
  });

  it('signs the request that bore the cookie, which the responder saw last (RFC 7296 §2.15)', () => {
    const peer = calling();
    peer.send(peer.initRefusal(peer.take(), cookie(9)));
    const auth = peer.open(peer.accept());
    expect(peer.believes(auth)).toBe(true);
  });

  it('keeps the cookie when another group is asked for, and offers all that it offered before (RFC 7296 §2.6.1)', () => {
    const peer = calling({ proposals: TWO_GROUPS }, { ike: proposal('aes256gcm16', 'prfsha384', 'ecp384') });
    const first = peer.take();
    peer.send(peer.initRefusal(first, cookie(1)));
    peer.send(peer.initRefusal(peer.take(), wantsGroup(20)));
    const third = initOf(peer.take());
    expect(third.cookie).toEqual([1]);
    expect(third.group).toBe(20);
    expect(third.sa).toEqual(initOf(first).sa);
    expect(third.nonce).toEqual(initOf(first).nonce);
    expect(third.spi).toBe(initOf(first).spi);
  });

  it('follows a demand for another group first and a cookie after it (RFC 7296 §2.6.1)', () => {
    const peer = calling({ proposals: TWO_GROUPS }, { ike: proposal('aes256gcm16', 'prfsha384', 'ecp384') });
    peer.send(peer.initRefusal(peer.take(), wantsGroup(20)));
    const second = peer.take();
    peer.send(peer.initRefusal(second, cookie(5)));
    const third = peer.take();
    expect(initOf(third)).toEqual({ ...initOf(second), cookie: [5], first: 'notify' });
    const payloads = [peer.ke, peer.ni];
    const chosen = { ...peer.sa } as never;
    peer.send(peer.initResponse(third, [chosen, ...payloads]));
    expect(headline(peer.take())).toEqual([ExchangeType.IKE_AUTH, 1, 'request']);
  });

  it('does not send again for a duplicate of a COOKIE or of a demand for a group', () => {
    const peer = calling({ proposals: TWO_GROUPS });
    const first = peer.take();
    const demand = peer.initRefusal(first, cookie(1));
    peer.send(demand);
    peer.take();
    for (let copy = 0; copy < 10; copy += 1) peer.send(demand);
    expect(peer.waiting).toBe(0);
    const group = peer.initRefusal(first, wantsGroup(20));
    peer.send(group);
    peer.take();
    for (let copy = 0; copy < 10; copy += 1) peer.send(group);
    expect(peer.waiting).toBe(0);
  });

  it('follows a bounded number of demands, so that a forger cannot keep it busy', () => {
    const peer = calling();
    let sent = 0;
    for (let round = 0; round < 50; round += 1) {
      const request = peer.waiting > 0 ? peer.take() : peer.initRequest();
      if (headline(request)[0] !== ExchangeType.IKE_SA_INIT) break;
      peer.send(peer.initRefusal(present(peer.pair.sent[0]).bytes, cookie(round)));
      sent = peer.pair.sent.length;
    }
    expect(sent).toBeLessThanOrEqual(6);
  });

  it('never takes a group that it did not offer, be it private or weak (CVE-2014-9221, RFC 7296 §2.7)', () => {
    const peer = calling();
    const first = peer.take();
    for (const group of [1025, 2, 0, 20]) peer.send(peer.initRefusal(first, wantsGroup(group)));
    expect(peer.waiting).toBe(0);
    peer.send(peer.initResponse(first));
    expect(headline(peer.take())).toEqual([ExchangeType.IKE_AUTH, 1, 'request']);
  });

  it.each([
    NotifyType.NO_PROPOSAL_CHOSEN,
    NotifyType.INVALID_SYNTAX,
    NotifyType.INVALID_MAJOR_VERSION,
    NotifyType.INVALID_IKE_SPI,
  ])(
    'goes on when a better answer follows an unprotected error %i, which anyone can forge (RFC 7296 §2.21.1)',
    (type) => {
      const peer = calling();
      const first = peer.take();
      peer.send(peer.initRefusal(first, notify(type)));
      expect(texts(peer.subject, 'negotiationFailed')).toEqual([]);
      peer.send(peer.initResponse(first));
      expect(headline(peer.take())).toEqual([ExchangeType.IKE_AUTH, 1, 'request']);
    },
  );

  it('tells soon what the peer refused when no better answer comes, naming peer, address and our proposals', () => {
    const peer = calling();
    peer.send(peer.initRefusal(peer.take(), notify(NotifyType.NO_PROPOSAL_CHOSEN)));
    peer.pair.advanceLosing(5_000);
    expect(texts(peer.subject, 'negotiationFailed')[0]).toBe(
      'right (192.0.2.2) accepts none of our IKE proposals (aes256gcm16-prfsha384-x25519): give both sides one in common',
    );
  });

  it.each([
    [
      'a public value of another group',
      (p: ScriptedPeer) => [p.sa, { kind: 'ke', group: 20, data: new Uint8Array(96).fill(4) }, p.ni],
    ],
    [
      'a public value that is too short',
      (p: ScriptedPeer) => [p.sa, { kind: 'ke', group: 31, data: new Uint8Array(31).fill(4) }, p.ni],
    ],
    [
      'a public value of small order',
      (p: ScriptedPeer) => [p.sa, { kind: 'ke', group: 31, data: new Uint8Array(32) }, p.ni],
    ],
    ['no public value', (p: ScriptedPeer) => [p.sa, p.ni]],
    ['no nonce', (p: ScriptedPeer) => [p.sa, p.ke]],
    ['a nonce of 15 bytes', (p: ScriptedPeer) => [p.sa, p.ke, { kind: 'nonce', data: new Uint8Array(15) }]],
    ['a nonce of 257 bytes', (p: ScriptedPeer) => [p.sa, p.ke, { kind: 'nonce', data: new Uint8Array(257) }]],
    [
      'a critical payload of unknown type',
      (p: ScriptedPeer) => [p.sa, p.ke, p.ni, { kind: 'unknown', type: 200, critical: true, data: new Uint8Array(4) }],
    ],
  ] as const)('keeps waiting for a better answer than one with %s', (_, payloads) => {
    const peer = calling();
    const first = peer.take();
    peer.send(peer.initResponse(first, payloads(peer) as never));
    expect(peer.waiting).toBe(0);
    peer.send(peer.initResponse(first));
    expect(headline(peer.take())).toEqual([ExchangeType.IKE_AUTH, 1, 'request']);
  });

  it('does not go on with a choice of another group than that of the public values', () => {
    const peer = calling({ proposals: TWO_GROUPS });
    const first = peer.take();
    const other = new ScriptedPeer(peer.pair, { ike: proposal('aes256gcm16', 'prfsha384', 'ecp384') });
    peer.send(peer.initResponse(first, [other.sa, peer.ke, peer.ni]));
    expect(peer.waiting).toBe(0);
  });

  it('goes on with what was offered, also where other proposals are configured before the answer comes', () => {
    const other = proposal('aes128gcm16', 'prfsha256', 'ecp256');
    const first = proposal('aes256gcm16', 'prfsha384', 'x25519');
    const pair = new Pair().configure({ proposals: [first] }, { proposals: [other, first] });
    pair.fire();
    const connection = connectionConfig(pair.left, pair.right, { proposals: [other, first] });
    pair.command(pair.left, { kind: 'updateConnection', connection });
    expect(pair.advance(2_000).encrypts()).toBe(true);
    expect(pair.advance(120_000).status(pair.left).ikeSas[0]?.suite).toContain('aes128gcm16');
  });

  it('takes a nonce of 16 and one of 256 bytes (RFC 7296 §3.9)', () => {
    for (const nonceBytes of [16, 256]) {
      const peer = calling({}, { nonceBytes });
      expect(peer.believes(peer.open(peer.accept()))).toBe(true);
    }
  });

  it('refuses a responder that has no SPI of its own', () => {
    const peer = calling();
    const first = peer.take();
    peer.localSpi = '0000000000000000' as never;
    peer.send(peer.initResponse(first));
    expect(peer.waiting).toBe(0);
  });

  it('goes on when the responder adds what it does not know: vendor IDs, unknown notifies and payloads', () => {
    const peer = calling();
    const extra = [
      { kind: 'vendor', data: new Uint8Array(16) },
      notify(40_961, new Uint8Array(3)),
      { kind: 'unknown', type: 201, critical: false, data: new Uint8Array(9) },
    ];
    peer.send(peer.initResponse(peer.take(), [peer.sa, peer.ke, peer.ni, ...(extra as never[])]));
    expect(headline(peer.take())).toEqual([ExchangeType.IKE_AUTH, 1, 'request']);
  });
});
