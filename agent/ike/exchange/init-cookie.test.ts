import { describe, expect, it } from 'vitest';

import { ZERO_SPI } from '../../wire/header.ts';
import { encodeMessage } from '../../wire/message.ts';
import { NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import type { Handshake } from '../state.ts';
import { type Datagram, Pair, present } from '../testing/pair.ts';
import { calling, notifyTypes, parsed, texts } from '../testing/scripted-peer.ts';
import { initHeader } from './ike-sa-init.ts';
import { asStated, statedCookie } from './init-cookie.ts';

const COOKIE = notify(NotifyType.COOKIE, Uint8Array.of(1, 2, 3));

/** A pair whose left side has sent one IKE_SA_INIT without and one with a COOKIE; neither has arrived. */
function asked(): { readonly pair: Pair; readonly without: Datagram; readonly withCookie: Datagram } {
  const pair = new Pair().configure();
  pair.fire();
  const without = present(pair.wire.shift());
  const { initiatorSpi } = parsed(without.bytes).header;
  pair.inject(pair.left, encodeMessage(initHeader(initiatorSpi, ZERO_SPI, false), [COOKIE]));
  return { pair, without, withCookie: present(pair.wire.shift()) };
}

describe('an initiator that was asked for a COOKIE by a responder that has begun anew since', () => {
  it.each<[string, (pair: Pair, withCookie: Datagram) => void]>([
    ['is lost', () => undefined],
    ['comes after it', (pair, withCookie) => pair.deliverCopy(withCookie)],
  ])('is believed where its request without one is answered, and the one with it %s', (_, then) => {
    const { pair, without, withCookie } = asked();
    pair.deliverCopy(without);
    then(pair, withCookie);
    pair.settle();
    expect([pair.left, pair.right].flatMap((side) => texts(side, 'negotiationFailed'))).toEqual([]);
    expect(pair.encrypts()).toBe(true);
  });

  it('is believed where the request with it is answered', () => {
    const { pair, withCookie } = asked();
    pair.deliverCopy(withCookie);
    expect(pair.settle().encrypts()).toBe(true);
  });

  it('tells its COOKIE to agents alone', () => {
    const peer = calling();
    peer.send(peer.initRefusal(peer.take(), COOKIE));
    expect(notifyTypes(peer.open(peer.accept()))).not.toContain(NotifyType.COOKIE);
  });
});

describe('the request that an initiator stands by', () => {
  const { without, withCookie } = asked();
  const handshake = { request: without.bytes, peerIsAgent: true } as Handshake;
  const sent = { ...handshake, request: withCookie.bytes };

  it('is the one that came but for the COOKIE, to the byte', () => {
    expect(statedCookie(sent)).toEqual([COOKIE]);
    expect(asStated(handshake, [COOKIE]).request).toEqual(withCookie.bytes);
    const other = notify(NotifyType.COOKIE, Uint8Array.of(9));
    expect(asStated(asStated(sent, [other]), [COOKIE]).request).toEqual(withCookie.bytes);
    expect(asStated(sent, [other]).request).not.toEqual(withCookie.bytes);
  });

  it.each([
    ['no COOKIE is told', handshake, []],
    ['it has 65 bytes', handshake, [notify(NotifyType.COOKIE, new Uint8Array(65))]],
    ['it has none', handshake, [notify(NotifyType.COOKIE)]],
    ['no agent tells it', { ...handshake, peerIsAgent: false }, [COOKIE]],
  ])('is the one that came where %s', (_, given, notifies) => {
    expect(asStated(given, notifies)).toBe(given);
    expect(statedCookie({ ...sent, peerIsAgent: false })).toEqual([]);
    expect(statedCookie(handshake)).toEqual([]);
  });
});
