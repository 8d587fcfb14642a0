import { describe, expect, it } from 'vitest';

import { ExchangeType, IdType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { Pair, proposal } from '../testing/pair.ts';
import { notifyTypes, parsed, ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';

describe('IKE_SA_INIT as responder', () => {
  it('asks for its group without keeping any state, and then agrees (RFC 7296 §1.2)', () => {
    const peer = waiting(
      { proposals: [proposal('aes256gcm16', 'prfsha384', 'ecp384')] },
      { ike: proposal('aes256gcm16', 'prfsha384', 'ecp384') },
    );
    const guess = { kind: 'ke', group: 31, data: new Uint8Array(32).fill(9) } as const;
    peer.send(peer.initRequest([peer.sa, guess, peer.ni]));
    const answer = parsed(peer.take());
    expect(answer.payloads).toEqual([notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 20))]);
    expect(answer.header.responderSpi).toBe('0000000000000000');
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    peer.establish();
    expect(peer.pair.status(peer.subject).ikeSas[0]).toMatchObject({ state: 'established' });
  });

  it('answers NO_PROPOSAL_CHOSEN, keeps nothing, and says what was offered and by whom', () => {
    const peer = waiting({}, { ike: proposal('aes128gcm16', 'prfsha256', 'ecp256') });
    peer.send(peer.initRequest());
    expect(notifyTypes(parsed(peer.take()).payloads)).toEqual([NotifyType.NO_PROPOSAL_CHOSEN]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'no common algorithms with right (right) at 192.0.2.2: it offers aes128gcm16-prfsha256-ecp256',
    ]);
  });

  it('refuses a proposal without key exchange (CVE-2016-5391)', () => {
    const peer = waiting();
    const [sa] = [peer.sa] as never as [{ proposals: readonly { transforms: readonly { type: number }[] }[] }];
    const proposals = sa.proposals.map((each) => ({
      ...each,
      transforms: each.transforms.filter((t) => t.type !== 4),
    }));
    peer.send(peer.initRequest([{ kind: 'sa', proposals } as never, peer.ke, peer.ni]));
    expect(notifyTypes(parsed(peer.take()).payloads)).toEqual([NotifyType.NO_PROPOSAL_CHOSEN]);
  });

  it('says which critical payload it does not know, and keeps nothing (RFC 7296 §2.5)', () => {
    const peer = waiting();
    const unknown = { kind: 'unknown', type: 200, critical: true, data: new Uint8Array(4) } as const;
    peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, unknown]));
    expect(parsed(peer.take()).payloads).toEqual([notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(200))]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it('keeps nothing for a public value of the wrong length (CVE-2023-41913)', () => {
    const peer = waiting();
    peer.send(peer.initRequest([peer.sa, { kind: 'ke', group: 31, data: new Uint8Array(33).fill(7) }, peer.ni]));
    expect(notifyTypes(parsed(peer.take()).payloads)).toEqual([NotifyType.INVALID_SYNTAX]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it('drops an initiator whose public value turns out to be of small order (CVE-2015-3240, RFC 6989)', () => {
    const peer = waiting();
    peer.send(peer.initRequest([peer.sa, { kind: 'ke', group: 31, data: new Uint8Array(32) }, peer.ni]));
    peer.takeInitResponse(peer.take());
    peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it.each([
    ['no SA', (p: ScriptedPeer) => [p.ke, p.ni]],
    ['no KE', (p: ScriptedPeer) => [p.sa, p.ni]],
    ['no nonce', (p: ScriptedPeer) => [p.sa, p.ke]],
    ['two nonces', (p: ScriptedPeer) => [p.sa, p.ke, p.ni, p.ni]],
    ['a short nonce', (p: ScriptedPeer) => [p.sa, p.ke, { kind: 'nonce', data: new Uint8Array(15) }]],
    [
      'an identity in the place of SA',
      (p: ScriptedPeer) => [{ kind: 'idi', idType: IdType.ID_FQDN, reserved: 0, data: new Uint8Array(3) }, p.ke, p.ni],
    ],
  ] as const)('drops a request with %s without a word', (_, payloads) => {
    const peer = waiting();
    peer.send(peer.initRequest(payloads(peer) as never));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'malformed' });
  });

  it('drops a request under another message ID than 0 (RFC 7296 §2.2)', () => {
    const peer = waiting();
    peer.initRequest();
    peer.send(peer.unprotected(ExchangeType.IKE_SA_INIT, 1, false, [peer.sa, peer.ke, peer.ni]));
    expect(peer.waiting).toBe(0);
  });

  it('does not answer strangers, whoever they say they are', () => {
    const peer = waiting({ remoteAddress: '198.51.100.9' as never });
    peer.send(peer.initRequest());
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'unknownPeer' });
  });

  it('answers a repeated request with the same bytes and a different one with the same SPI not at all (RFC 7296 §2.1)', () => {
    const peer = waiting();
    const request = peer.initRequest();
    peer.send(request);
    const answer = peer.take();
    peer.send(request);
    expect(peer.take()).toEqual(answer);
    peer.send(peer.initRequest([peer.sa, { kind: 'ke', group: 31, data: new Uint8Array(32).fill(8) }, peer.ni]));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'differentRetransmission' });
  });

  it('never sends by itself, and forgets an initiator that does not go on (RFC 7296 §2.1, VU#419128)', () => {
    const peer = waiting();
    peer.send(peer.initRequest());
    peer.take();
    const before = peer.pair.sent.length;
    peer.pair.advanceLosing(120_000);
    expect(peer.pair.sent.length).toBe(before);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    expect(peer.subject.endpoint.nextDeadline()).toBeUndefined();
  });

  it('takes no more half-open IKE SAs than the limit', () => {
    const pair = new Pair({ limits: { halfOpenTotal: 3 } });
    pair.configureLeft({ initiation: 'respond' });
    for (let index = 0; index < 10; index += 1) {
      const peer = new ScriptedPeer(pair);
      peer.localSpi = `00000000000000a${index}` as never;
      peer.send(peer.initRequest());
    }
    expect(pair.left.endpoint.status(pair.at).halfOpen).toBe(3);
    expect(pair.wire.length).toBe(3);
    expect(pair.left.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'halfOpenLimit' });
  });

  it('keeps no half-open entry of a peer that moved to port 4500 for IKE_AUTH (RFC 7296 §2.23)', () => {
    const peer = waiting();
    const auth = peer.begin();
    peer.send(auth, 4500);
    peer.open(peer.take());
    expect(peer.subject.endpoint.status(peer.pair.at)).toMatchObject({ halfOpen: 0 });
    expect(peer.pair.status(peer.subject).ikeSas[0]).toMatchObject({ state: 'established', path: { localPort: 4500 } });
  });
});
