import { describe, expect, it } from 'vitest';

import { spiFromBytes } from '../../wire/header.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { DEFAULT_LIMITS, type FragmentLimits, type Limits } from '../limits.ts';
import { fqdn, Pair, type PairOptions, present, proposal, type Side } from '../testing/pair.ts';
import { calling, headline, notifyTypes, parsed, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig } from '../types.ts';
import { notify } from './notify.ts';

/** Names that make IKE_AUTH longer than any datagram, as certificates do. */
const LONG = { left: fqdn(`left.${'x'.repeat(2_000)}`), right: fqdn(`right.${'y'.repeat(2_000)}`) };
const SUPPORTED = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED;
/** What is left of 576 and of 1280 bytes behind the headers of IPv4 and UDP and the non-ESP marker. */
const SMALLEST = 576 - 32;
const USUAL = 1_280 - 32;

/** Two sides whose IKE_AUTH does not fit into one datagram. */
function longPair(
  changes: { readonly left?: Partial<ConnectionConfig>; readonly right?: Partial<ConnectionConfig> } = {},
  options: PairOptions = {},
): Pair {
  return new Pair(options).configure(
    { localIdentity: LONG.left, remoteIdentity: LONG.right, ...changes.left },
    { localIdentity: LONG.right, remoteIdentity: LONG.left, ...changes.right },
  );
}

function strangers(changes: Partial<FragmentLimits>): Partial<Limits> {
  return { strangersFragments: { ...DEFAULT_LIMITS.strangersFragments, ...changes } };
}

/** The subject waits for a peer that takes fragments, played by the test. */
function waitingForFragments(limits: Partial<Limits> = {}): ScriptedPeer {
  const pair = new Pair({ limits });
  return waiting({}, { fragmentation: true }, pair);
}

/** The peer's IKE_AUTH request in pieces of so many bytes. */
function authFragments(peer: ScriptedPeer, maxBytes: number): readonly Uint8Array[] {
  peer.send(peer.initRequest());
  peer.takeInitResponse(peer.take());
  return peer.fragments(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()], maxBytes);
}

function fragmentOf(bytes: Uint8Array) {
  const { protected: frame } = parsed(bytes);
  if (frame?.kind !== 'skf') throw new Error('not a fragment');
  return frame;
}

function drops(side: Side): readonly string[] {
  return side.facts.flatMap((fact) => (fact.kind === 'datagramDropped' ? [fact.reason] : []));
}

function isEstablished(peer: ScriptedPeer): boolean {
  return peer.pair.status(peer.subject).ikeSas[0]?.state === 'established';
}

/** Everything that the subject has sent and that has not been taken. */
function takeAll(peer: ScriptedPeer): Uint8Array[] {
  return Array.from({ length: peer.waiting }, () => peer.take());
}

/** What the subject has just sent, and what it sends as often as nobody answers. */
function repetitions(peer: ScriptedPeer, rounds: number): readonly (readonly Uint8Array[])[] {
  const sent = [takeAll(peer)];
  while (sent.length < rounds) {
    peer.pair.at = present(peer.subject.endpoint.nextDeadline());
    peer.pair.fire();
    sent.push(takeAll(peer));
  }
  return sent;
}

/** Bytes of the longest datagram after IKE_SA_INIT. */
function largest(pair: Pair): number {
  return Math.max(...pair.sent.slice(2).map(({ bytes }) => bytes.length));
}

/** A notify that means nothing here, of some length. */
function notifyOf(bytes: number): Payload {
  return notify(40_000, new Uint8Array(bytes));
}

function incomplete(peer: ScriptedPeer): number {
  return peer.subject.endpoint.status(peer.pair.at).tables.incompleteMessages;
}

describe('agreeing on fragmentation', () => {
  it('is asked for in IKE_SA_INIT, and granted to who asks (RFC 7383 §2.3)', () => {
    const [request, response] = new Pair().configure().settle().sent;
    expect(notifyTypes(parsed(present(request).bytes).payloads)).toContain(SUPPORTED);
    expect(notifyTypes(parsed(present(response).bytes).payloads)).toContain(SUPPORTED);
    const without = waiting();
    without.send(without.initRequest());
    expect(notifyTypes(parsed(without.take()).payloads)).not.toContain(SUPPORTED);
  });

  it('with a peer that has not said so, messages are sent whole, and fragments are not taken', () => {
    const peer = calling({ localIdentity: LONG.left });
    const request = peer.accept();
    expect(parsed(request).protected?.kind).toBe('sk');
    expect(request.length).toBeGreaterThan(2_000);
    for (const bytes of peer.fragments(ExchangeType.IKE_AUTH, 1, true, [...peer.proof(), ...peer.child()], 200)) {
      peer.send(bytes);
    }
    expect(new Set(drops(peer.subject))).toEqual(new Set(['unexpectedFragment']));
    expect(isEstablished(peer)).toBe(false);
  });
});

describe('sending in fragments', () => {
  it('what fits into a datagram is sent whole', () => {
    const { sent } = new Pair().configure().settle();
    expect(sent.slice(2).map(({ bytes }) => parsed(bytes).protected?.kind)).toEqual(['sk', 'sk']);
  });

  it('a long message goes in numbered pieces of at most 1280 bytes of IP, each with an IV of its own', () => {
    const pair = longPair().settle();
    expect(pair.encrypts()).toBe(true);
    for (const from of [pair.left, pair.right]) {
      const auth = pair.sent.filter((each) => each.from === from && headline(each.bytes)[0] === ExchangeType.IKE_AUTH);
      const frames = auth.map(({ bytes }) => fragmentOf(bytes));
      expect(frames.length).toBeGreaterThan(1);
      expect(frames.map(({ fragmentNumber }) => fragmentNumber)).toEqual(frames.map((_, index) => index + 1));
      expect(new Set(frames.map(({ totalFragments }) => totalFragments))).toEqual(new Set([frames.length]));
      expect(frames.map(({ innerFirst }) => innerFirst !== 0)).toEqual(frames.map((_, index) => index === 0));
      expect(Math.max(...auth.map(({ bytes }) => bytes.length))).toBe(USUAL);
      expect(new Set(auth.map(({ bytes }) => bytes.slice(36, 44).join())).size).toBe(auth.length);
    }
  });

  it('IPv6 leaves 20 bytes less for the message', () => {
    expect(largest(longPair({}, { addresses: ['2001:db8::1', '2001:db8::2'] }).settle())).toBe(USUAL - 20);
  });

  it('packets are as large as configured', () => {
    const fragmentBytes = 800;
    expect(largest(longPair({ left: { fragmentBytes }, right: { fragmentBytes } }).settle())).toBe(fragmentBytes - 32);
  });

  it('IKE_SA_INIT is never in fragments, however long it is', () => {
    const proposals = Array.from({ length: 20 }, () => proposal('aes256gcm16', 'prfsha384', 'x25519', 'ecp384'));
    const pair = new Pair().configure({ fragmentBytes: 576, proposals }).settle();
    const [request] = pair.sent;
    expect(present(request).bytes.length).toBeGreaterThan(SMALLEST);
    expect(parsed(present(request).bytes).protected).toBeUndefined();
    expect(pair.encrypts()).toBe(true);
  });
});

describe('requests in fragments that nobody answers', () => {
  it('are repeated as they were, then every other time in pieces that pass everywhere, under the same message ID', () => {
    const peer = calling({ localIdentity: LONG.left }, { fragmentation: true });
    peer.send(peer.initResponse(peer.take()));
    const rounds = repetitions(peer, 6);
    const sizes = rounds.map((round) => Math.max(...round.map(({ length }) => length)));
    expect(sizes).toEqual([USUAL, USUAL, SMALLEST, USUAL, SMALLEST, USUAL]);
    expect(rounds[1]).toEqual(rounds[0]);
    expect(rounds[4]).toEqual(rounds[2]);
    expect(new Set(rounds.flat().map((bytes) => headline(bytes)[1]))).toEqual(new Set([1]));
    expect(peer.openFragments(present(rounds[2]))).toEqual(peer.openFragments(present(rounds[0])));
  });

  it('switch from whole to fragments where even one datagram is more than passes everywhere', () => {
    const peer = calling({ localIdentity: fqdn('x'.repeat(800)) }, { fragmentation: true });
    peer.send(peer.initResponse(peer.take()));
    const [whole, , pieces] = repetitions(peer, 3);
    expect(present(whole).map((bytes) => parsed(bytes).protected?.kind)).toEqual(['sk']);
    expect(present(pieces).map((bytes) => parsed(bytes).protected?.kind)).toEqual(['skf', 'skf', 'skf']);
    expect(peer.openFragments(present(pieces))).toEqual(peer.openFragments(present(whole)));
  });

  it('arrive in the end over a path that drops every packet above 576 bytes, both ways', () => {
    const pair = longPair();
    for (let step = 0; step < 200 && !pair.encrypts(); step += 1) {
      pair.fire();
      while (pair.wire.length > 0) {
        const next = present(pair.wire[0]);
        if (next.bytes.length > SMALLEST) pair.wire.shift();
        else pair.deliver();
      }
      const due = Math.min(...[pair.left, pair.right].map((side) => side.endpoint.nextDeadline() ?? Infinity));
      pair.at = Math.max(pair.at, due);
    }
    expect(pair.encrypts()).toBe(true);
  });

  it('a message that fits into the smallest packet is repeated as it is', () => {
    const peer = calling({}, { fragmentation: true });
    peer.send(peer.initResponse(peer.take()));
    const rounds = repetitions(peer, 6);
    expect(new Set(rounds.flat().map((bytes) => bytes.join())).size).toBe(1);
  });
});

describe('receiving fragments', () => {
  it('they are put together whatever their order, and answered once', () => {
    const peer = waitingForFragments();
    const pieces = authFragments(peer, 100);
    expect(pieces.length).toBeGreaterThan(3);
    for (const bytes of pieces.toReversed()) peer.send(bytes);
    expect(peer.waiting).toBe(1);
    expect(isEstablished(peer)).toBe(true);
    expect(incomplete(peer)).toBe(0);
  });

  it('an answer in fragments is put together as well', () => {
    const peer = calling({}, { fragmentation: true });
    peer.accept();
    const pieces = peer.fragments(ExchangeType.IKE_AUTH, 1, true, [...peer.proof(), ...peer.child()], 100);
    for (const bytes of pieces) {
      expect(isEstablished(peer)).toBe(false);
      peer.send(bytes);
    }
    expect(isEstablished(peer)).toBe(true);
  });

  it('whichever one is lost or comes twice, the handshake is completed', () => {
    const count = longPair().settle().sent.length;
    for (let index = 2; index < count; index += 1) {
      for (const copies of [0, 2]) {
        const pair = longPair();
        pair.fire();
        for (let message = 0; pair.wire.length > 0 && message < 100; message += 1) {
          const datagram = present(pair.wire.shift());
          for (let copy = 0; copy < (message === index ? copies : 1); copy += 1) pair.deliverCopy(datagram);
        }
        pair.advance(3_000);
        expect(pair.encrypts(), `datagram ${index}, ${copies} copies`).toBe(true);
        expect(pair.status(pair.right).ikeSas).toHaveLength(1);
      }
    }
  });

  it('one that has come already is dropped undeciphered', () => {
    const peer = waitingForFragments();
    const [first] = authFragments(peer, 100);
    peer.send(present(first));
    const again = present(first).slice();
    again[again.length - 1] = (again.at(-1) ?? 0) ^ 1;
    peer.send(again);
    expect(drops(peer.subject)).toEqual(['repeatedFragment']);
  });

  it('a higher total begins anew, a lower one is dropped (RFC 7383 §2.6)', () => {
    const peer = waitingForFragments();
    const large = authFragments(peer, 200);
    const payloads = [...peer.proof(), ...peer.child()];
    const small = peer.fragments(ExchangeType.IKE_AUTH, 1, false, payloads, 100);
    expect(small.length).toBeGreaterThan(large.length);
    for (const bytes of large.slice(1)) peer.send(bytes);
    peer.send(present(small[0]));
    peer.send(present(large[0]));
    expect(drops(peer.subject)).toEqual(['obsoleteFragment']);
    expect(isEstablished(peer)).toBe(false);
    for (const bytes of small.slice(1)) peer.send(bytes);
    expect(isEstablished(peer)).toBe(true);
  });

  it('a message that comes whole at last is not waited for any longer', () => {
    const peer = waitingForFragments();
    const [first] = authFragments(peer, 100);
    peer.send(present(first));
    expect(incomplete(peer)).toBe(1);
    peer.send(peer.protected(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()]));
    expect(isEstablished(peer)).toBe(true);
    expect(incomplete(peer)).toBe(0);
  });

  it('the first payload is the one that fragment 1 tells, whatever the others say', () => {
    const peer = waitingForFragments();
    const pieces = authFragments(peer, 100);
    const second = present(pieces[1]);
    // Not one of the peer's, then: the type is in what the ICV covers.
    const changed = second.slice();
    changed[28] = 41;
    peer.send(changed);
    expect(drops(peer.subject)).toEqual(['integrity']);
    for (const bytes of pieces) peer.send(bytes);
    expect(isEstablished(peer)).toBe(true);
  });

  it('a forged one is not kept, even where the true one has not come yet', () => {
    const peer = waitingForFragments();
    const pieces = authFragments(peer, 100);
    for (const bytes of pieces.slice(0, -1)) {
      const forged = bytes.slice();
      forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
      peer.send(forged);
    }
    expect(incomplete(peer)).toBe(0);
    for (const bytes of pieces) peer.send(bytes);
    expect(isEstablished(peer)).toBe(true);
  });

  it('what is in pieces is one message in each direction: the requests of both sides do not get mixed up', () => {
    const peer = waitingForFragments().establish();
    const ask = (): Uint8Array => {
      peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
      return peer.take();
    };
    for (let count = 0; count < 2; count += 1) peer.send(peer.respond(ask(), []));
    const ours = ask();
    // One message ID, counted by each side for itself.
    expect(headline(ours)[1]).toBe(peer.nextId);
    const noise = [notifyOf(60)];
    const { messageId } = parsed(ours).header;
    const answer = peer.fragments(ExchangeType.INFORMATIONAL, messageId, true, noise, 100);
    const request = peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, noise, 100);
    expect(answer.length).toBeGreaterThan(1);
    for (const [index, bytes] of answer.entries()) {
      peer.send(bytes);
      peer.send(present(request[index]));
    }
    expect(headline(peer.take())).toEqual([ExchangeType.INFORMATIONAL, peer.nextId, 'response']);
    expect(incomplete(peer)).toBe(0);
    expect(headline(ask())).toEqual([ExchangeType.INFORMATIONAL, messageId + 1, 'request']);
  });
});

describe('a request in fragments that is repeated', () => {
  it('gets the whole stored answer once, on its fragment 1 (RFC 7383 §2.6.1)', () => {
    const pair = longPair().settle();
    const [request, response] = [pair.left, pair.right].map((from) =>
      pair.sent.filter((each) => each.from === from && headline(each.bytes)[0] === ExchangeType.IKE_AUTH),
    ) as [Pair['sent'], Pair['sent']];
    expect(response.length).toBeGreaterThan(1);
    pair.deliverCopy(present(request[0]));
    expect(pair.wire.map(({ bytes }) => bytes)).toEqual(response.map(({ bytes }) => bytes));
    pair.wire.length = 0;
    const before = pair.right.facts.length;
    for (const datagram of request.slice(1)) pair.deliverCopy(datagram);
    expect(pair.wire).toEqual([]);
    expect(pair.right.facts.slice(before)).toMatchObject(request.slice(1).map(() => ({ reason: 'repeatedFragment' })));
  });

  it('may come in other pieces than before: its sender may not have got through with the first ones', () => {
    const peer = waitingForFragments();
    peer.send(peer.begin());
    const answer = peer.take();
    const pieces = peer.fragments(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()], 100);
    for (const bytes of pieces) peer.send(bytes);
    expect(peer.waiting).toBe(1);
    expect(peer.take()).toEqual(answer);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(1);
  });

  it('is not answered when somebody else made it up', () => {
    const peer = waitingForFragments();
    peer.send(peer.begin());
    peer.take();
    const [first] = peer.fragments(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()], 100);
    const forged = present(first).slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    peer.send(forged);
    expect(peer.waiting).toBe(0);
    expect(drops(peer.subject)).toEqual(['integrity']);
  });

  it('in small pieces is answered in small pieces', () => {
    const pair = longPair({ left: { fragmentBytes: 576 } }).settle();
    const answer = pair.sent.filter(
      (each) => each.from === pair.right && headline(each.bytes)[0] === ExchangeType.IKE_AUTH,
    );
    expect(Math.max(...answer.map(({ bytes }) => bytes.length))).toBe(SMALLEST);
  });
});

describe('what fragments may cost', () => {
  it('a peer that has not authenticated may send IKE_AUTH in so many pieces and no more', () => {
    const peer = waitingForFragments(strangers({ fragments: 3 }));
    const pieces = authFragments(peer, 100);
    expect(pieces.length).toBeGreaterThan(3);
    for (const bytes of pieces) peer.send(bytes);
    expect(new Set(drops(peer.subject))).toEqual(new Set(['reassemblyLimit']));
    expect(incomplete(peer)).toBe(0);
    expect(isEstablished(peer)).toBe(false);
  });

  it('its message may be so long and no longer; what has come of it is let go', () => {
    const peer = waitingForFragments(strangers({ messageBytes: 800 }));
    for (const bytes of authFragments(peer, 100)) peer.send(bytes);
    expect(drops(peer.subject)).toContain('reassemblyLimit');
    expect(isEstablished(peer)).toBe(false);
    expect(incomplete(peer)).toBeLessThanOrEqual(1);
  });

  it('an authenticated peer has more room', () => {
    const peer = waitingForFragments(strangers({ messageBytes: 500, fragments: 1 })).establish();
    const request = peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, [notifyOf(4_000)], 400);
    expect(request.length).toBeGreaterThan(10);
    for (const bytes of request) peer.send(bytes);
    expect(peer.waiting).toBe(1);
  });

  it('but an end as well', () => {
    const peer = waitingForFragments({
      peersFragments: { ...DEFAULT_LIMITS.peersFragments, messageBytes: 2_000 },
    }).establish();
    const request = peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, [notifyOf(4_000)], 400);
    const { length } = drops(peer.subject);
    for (const bytes of request) peer.send(bytes);
    expect(drops(peer.subject).slice(length)).toContain('reassemblyLimit');
    expect(isEstablished(peer)).toBe(true);
    expect(incomplete(peer)).toBeLessThanOrEqual(1);
  });

  it.each([
    ['number of incomplete messages', strangers({ messages: 2 })],
    ['bytes', strangers({ bytes: 1_150 })],
  ] as const)('over all peers that have not authenticated there is a limit to the %s', (_, limits) => {
    const pair = new Pair({ limits });
    pair.configureLeft({ initiation: 'respond' });
    const { left } = pair;
    for (let number = 1; number <= 5; number += 1) {
      const peer = new ScriptedPeer(pair, { fragmentation: true });
      peer.localSpi = spiFromBytes(new Uint8Array(8).fill(number));
      const [first] = authFragments(peer, 100);
      peer.send(present(first));
    }
    const { incompleteMessages } = left.endpoint.status(pair.at).tables;
    expect(incompleteMessages).toBe(2);
    expect(drops(left).filter((reason) => reason === 'reassemblyLimit').length).toBeGreaterThanOrEqual(3);
    pair.advance(60_000);
    expect(left.endpoint.status(pair.at).tables.incompleteMessages).toBe(0);
  });

  it('an incomplete message is kept for a while and no longer', () => {
    const peer = waitingForFragments();
    const pieces = authFragments(peer, 100);
    peer.send(present(pieces[0]));
    peer.pair.advance(14_000);
    expect(incomplete(peer)).toBe(1);
    peer.pair.advance(2_000);
    expect(incomplete(peer)).toBe(0);
    expect(drops(peer.subject)).toEqual(['reassemblyTimeout']);
    for (const bytes of pieces) peer.send(bytes);
    expect(isEstablished(peer)).toBe(true);
  });

  it('nothing is kept beyond the IKE SA', () => {
    const peer = waitingForFragments().establish();
    const [first] = peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, [notifyOf(400)], 100);
    peer.send(present(first));
    expect(incomplete(peer)).toBe(1);
    peer.pair.command(peer.subject, { kind: 'removeConnection', name: 'right' });
    peer.pair.advanceLosing(11_000);
    expect(incomplete(peer)).toBe(0);
  });
});
