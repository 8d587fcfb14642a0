import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { spiFromBytes } from '../../wire/header.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, PayloadType } from '../../wire/registry.ts';
import { deliverSpoiled } from '../testing/disturbing.ts';
import { type Datagram, fqdn, Pair, present, type Side } from '../testing/pair.ts';
import { headline, parsed, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import { notify } from './notify.ts';

/** What may not change when nobody has proved anything. */
function picture(pair: Pair, side: Side): string {
  return JSON.stringify([side.endpoint.status(pair.at), pair.sas(side), pair.policies(side)]);
}

/** Two sides whose IKE_AUTH goes in fragments, up to the datagram `step`, which is on its way. */
function session(step: number): Pair {
  const pair = new Pair({ limits: { integrityFailuresHalfOpen: 1_000_000 } });
  const names = [fqdn(`left.${'x'.repeat(1_500)}`), fqdn(`right.${'y'.repeat(1_500)}`)] as const;
  pair.configure(
    { localIdentity: names[0], remoteIdentity: names[1] },
    { localIdentity: names[1], remoteIdentity: names[0] },
  );
  pair.fire();
  for (let count = 0; count < step; count += 1) pair.deliver();
  return pair;
}

/** All datagrams of the session, the fragments among them by their place. */
const recording: readonly Datagram[] = session(0).settle().sent;
const FRAGMENTS = recording.flatMap(({ bytes }, index) => (parsed(bytes).protected?.kind === 'skf' ? [index] : []));

/** The peer has begun, takes fragments, and has proved nothing yet. */
function halfOpen(): ScriptedPeer {
  const peer = waiting({}, { fragmentation: true }, new Pair({ limits: { integrityFailuresHalfOpen: 1_000_000 } }));
  peer.send(peer.initRequest());
  peer.takeInitResponse(peer.take());
  return peer;
}

/** A message whose last payload is SKF of these numbers, with noise in it, behind `others`. */
function fragment(
  peer: ScriptedPeer,
  number: number,
  total: number,
  content: Uint8Array,
  others: readonly Payload[] = [],
) {
  const start = peer.unprotected(ExchangeType.IKE_AUTH, 1, false, others);
  const skf = Uint8Array.of(0, 0, 0, 0, number >> 8, number & 255, total >> 8, total & 255, ...content);
  new DataView(skf.buffer).setUint16(2, skf.length);
  const bytes = Uint8Array.of(...start, ...skf);
  let last = 16;
  for (let at = 28; at < start.length; at += (start[at + 2] as number) * 256 + (start[at + 3] as number)) last = at;
  bytes[last] = PayloadType.SKF;
  new DataView(bytes.buffer).setUint32(24, bytes.length);
  return bytes;
}

describe('fragments on the way', () => {
  it('are what the tests below disturb', () => {
    expect(FRAGMENTS.length).toBeGreaterThanOrEqual(4);
    expect(new Set(FRAGMENTS.map((index) => headline(present(recording[index]).bytes)[2])).size).toBe(2);
  });

  it.each(FRAGMENTS)(
    'no corrupted, cut or lengthened copy of datagram %i changes anything at its receiver',
    (index) => {
      const pair = session(index);
      const datagram = present(pair.wire[0]);
      const receiver = pair.other(datagram.from);
      const before = picture(pair, receiver);
      deliverSpoiled(pair, datagram);
      expect(picture(pair, receiver)).toBe(before);
      pair.settle();
      expect(pair.encrypts()).toBe(true);
    },
  );

  it('that come again in any later state change nothing', () => {
    for (let step = 2; step <= recording.length; step += 1) {
      const pair = session(step);
      for (const side of [pair.left, pair.right]) {
        const before = picture(pair, side);
        for (const old of recording.slice(0, step)) if (pair.other(old.from) === side) pair.deliverCopy(old);
        expect(picture(pair, side), `after ${step} datagrams`).toBe(before);
      }
    }
  });

  it('of two IKE SAs, of one number, do not come together', () => {
    const pair = new Pair();
    pair.configureLeft({ initiation: 'respond' });
    const [first, second] = [1, 2].map((number) => {
      const peer = waitingOn(pair, number);
      peer.send(peer.initRequest());
      peer.takeInitResponse(peer.take());
      return peer;
    }) as [ScriptedPeer, ScriptedPeer];
    const pieces = (peer: ScriptedPeer) =>
      peer.fragments(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()], 100);
    const [ofFirst, ofSecond] = [pieces(first), pieces(second)];
    for (const [index, bytes] of ofFirst.entries()) first.send(index % 2 === 0 ? bytes : present(ofSecond[index]));
    expect(pair.status(pair.left).ikeSas).toEqual([]);
    for (const [index, bytes] of ofFirst.entries()) if (index % 2 === 1) first.send(bytes);
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ state: 'established' }]);
  });
});

describe('fragments that nobody who has the keys has made', () => {
  it('never throw, keep nothing and change nothing, whatever they say', () => {
    const peer = halfOpen();
    const before = picture(peer.pair, peer.subject);
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), fc.uint8Array({ maxLength: 300 }), (number, total, content) => {
        peer.send(fragment(peer, number, total, content));
      }),
      { numRuns: 500, seed: 1 },
    );
    expect(picture(peer.pair, peer.subject)).toBe(before);
    peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established' }]);
  });

  it.each([
    ['a payload length below that of its header (CVE-2013-6076, CVE-2016-1287)', 4],
    ['a payload length beyond the datagram', 4_000],
  ])('are dropped with %s', (_, length) => {
    const peer = halfOpen();
    const bytes = fragment(peer, 1, 2, new Uint8Array(60));
    new DataView(bytes.buffer).setUint16(30, length);
    peer.send(bytes);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'malformed' });
  });

  it.each([
    ['number 0', 0, 2],
    ['a number above the total', 3, 2],
    ['no total', 1, 0],
    ['more fragments than anybody needs', 1, 256],
  ])('are dropped with %s', (_, number, total) => {
    const peer = halfOpen();
    peer.send(fragment(peer, number, total, new Uint8Array(60)));
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'malformed' });
  });

  it('are dropped behind more payloads than any message has (CVE-2026-12413)', () => {
    const peer = halfOpen();
    const unknown = Array.from({ length: 70 }, (): Payload => notify(40_000));
    peer.send(fragment(peer, 1, 2, new Uint8Array(60), unknown));
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'malformed' });
  });
});

describe('fragments of a peer that has the keys and means no good', () => {
  it('every way to number and repeat them ends in one answer or none, and never in more memory than one message', () => {
    const peer = waiting({}, { fragmentation: true }).establish();
    const room = (): number => peer.subject.endpoint.status(peer.pair.at).tables.incompleteMessages;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(100, 120, 160, 250), fc.nat(20)), { minLength: 1, maxLength: 40 }),
        (chosen) => {
          const sets = new Map<number, readonly Uint8Array[]>();
          for (const [size, index] of chosen) {
            const payloads = [notify(40_000, new Uint8Array(700))];
            const pieces =
              sets.get(size) ?? peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, payloads, size);
            sets.set(size, pieces);
            peer.send(present(pieces[index % pieces.length]));
            expect(room()).toBeLessThanOrEqual(1);
          }
          peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
          expect(room()).toBe(0);
          expect(peer.waiting).toBeGreaterThanOrEqual(1);
          peer.pair.wire.length = 0;
        },
      ),
      { numRuns: 100, seed: 3 },
    );
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established' }]);
  });

  it('the most and smallest fragments there can be, last one first, are put together (CVE-2016-10396)', () => {
    const peer = waiting({}, { fragmentation: true }).establish();
    const payloads = [notify(40_000, new Uint8Array(900))];
    const pieces = peer.fragments(ExchangeType.INFORMATIONAL, peer.nextId, false, payloads, 65);
    expect(pieces.length).toBeGreaterThan(150);
    for (const bytes of pieces.toReversed()) peer.send(bytes);
    expect(peer.waiting).toBe(1);
  });
});

/** A peer of the left side with an SPI of its own. */
function waitingOn(pair: Pair, number: number): ScriptedPeer {
  const peer = new ScriptedPeer(pair, { fragmentation: true });
  peer.localSpi = spiFromBytes(new Uint8Array(8).fill(number));
  return peer;
}
