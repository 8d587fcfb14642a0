import { describe, expect, it } from 'vitest';

import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType, Protocol } from '../../wire/registry.ts';
import { spiToBytes } from '../exchange/child-negotiation.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { childConfig, Pair, present, proposal, type Side } from '../testing/pair.ts';
import { recordActions } from '../testing/recording.ts';
import {
  type ChildPayloads,
  espProposal,
  headline,
  notifyTypes,
  type ScriptedPeer,
  texts,
  transform,
  waiting,
} from '../testing/scripted-peer.ts';
import type { ChildConfig, ChildSaStatus } from '../types.ts';

/** An established pair that has stood for a minute. */
function standing(changes: Partial<ChildConfig> = {}): Pair {
  const children = [childConfig(changes)];
  return new Pair().configure({ children }, { children }).settle().advance(60_000);
}

/** Lets the outbound SA of a side's Child SA reach its soft limit. */
function expire(pair: Pair, side: Side): void {
  const child = present(pair.status(side).ikeSas[0]?.children.at(-1));
  const id = { destination: pair.other(side).address, spi: child.outboundSpi };
  pair.handle(side, { kind: 'kernel', event: { kind: 'expire', id, reqid: child.reqid, hard: false } });
}

function newest(pair: Pair, side: Side): ChildSaStatus {
  return present(pair.status(side).ikeSas.at(-1)?.children.at(-1));
}

function count(side: Side, kind: Fact['kind']): number {
  return side.facts.filter((fact) => fact.kind === kind).length;
}

/** The SPI that a side's packets go to. */
function pin(pair: Pair, side: Side): number | undefined {
  return present(pair.policies(side).find(({ direction }) => direction === 'out')).template?.spi;
}

/** Delivers and lets time pass in small steps; in each a packet is sent in both directions, and must arrive. */
function losesNothing(pair: Pair, seconds: number, isLost: (index: number, bytes: Uint8Array) => boolean): void {
  let index = 0;
  for (let step = 0; step < seconds * 50; step += 1) {
    const datagram = pair.wire.shift();
    if (datagram !== undefined) {
      if (!isLost(index, datagram.bytes)) pair.deliverCopy(datagram);
      index += 1;
    }
    pair.at += 20;
    pair.fire();
    expect(pair.encrypts(), `step ${step}`).toBe(true);
  }
}

/** Both ends have one IKE SA with one Child SA, the same, and nothing else in their kernels. */
function expectOneChild(pair: Pair): void {
  const [left, right] = [pair.left, pair.right].map((side) => pair.status(side).ikeSas.flatMap((sa) => sa.children));
  expect(left).toHaveLength(1);
  expect(right?.map(({ inboundSpi, outboundSpi }) => [outboundSpi, inboundSpi])).toEqual(
    left?.map(({ inboundSpi, outboundSpi }) => [inboundSpi, outboundSpi]),
  );
  expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
}

describe('the rekey of a Child SA', () => {
  it('the initiator adds the new pair, moves the pin to it, and only then deletes the old one (RFC 7296 §2.8)', () => {
    const pair = standing();
    const words: string[] = [];
    recordActions(pair, pair.left, words);
    expire(pair, pair.left);
    pair.settle().advance(20_000);
    const steps = ['request 36', 'add in', 'add out', 'pin out new', 'request 37', 'delete out'];
    // The old inbound SA goes when its counter has stood still.
    expect(words).toEqual([...steps, 'counters', 'counters', 'delete in']);
  });

  it('the responder answers when its SAs are in, and sends on the new pair only from the Delete on', () => {
    const pair = standing();
    const words: string[] = [];
    recordActions(pair, pair.right, words);
    expire(pair, pair.left);
    pair.settle().advance(20_000);
    const steps = ['add in', 'add out', 'response 36', 'pin out new', 'delete out', 'response 37'];
    expect(words).toEqual([...steps, 'counters', 'counters', 'delete in']);
  });

  it('loses no packet at any moment, whichever datagram is lost on the way and repeated', () => {
    for (let lost = -1; lost < 5; lost += 1) {
      const pair = standing();
      expire(pair, pair.left);
      pair.fire();
      losesNothing(pair, 25, (index) => index === lost);
      expectOneChild(pair);
    }
  });

  it('happens on the IKE SA that stands, and both ends tell of it', () => {
    const pair = standing();
    const before = newest(pair, pair.left);
    expire(pair, pair.left);
    pair.settle().advance(20_000);
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: 1 }]);
    expect(newest(pair, pair.left).inboundSpi).not.toBe(before.inboundSpi);
    const rekeyed = { kind: 'childSaRekeyed', child: 'hosts' };
    const ours = { ...rekeyed, by: 'us', replacedInboundSpi: before.inboundSpi };
    const theirs = { ...rekeyed, by: 'peer', replacedInboundSpi: before.outboundSpi };
    expect(pair.left.facts).toContainEqual(expect.objectContaining(ours));
    expect(pair.right.facts).toContainEqual(expect.objectContaining(theirs));
    expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
  });

  it.each([
    ['time', { softSeconds: 600, hardSeconds: 7_200 }, 610],
    ['packets', { softPackets: 50, hardPackets: 1_000 }, 60],
    ['bytes', { softBytes: 5_000, hardBytes: 1_000_000 }, 60],
  ] as const)(
    'happens at the soft limit of %s, of which the kernel tells, and long before the hard one',
    (_, limits, seconds) => {
      const pair = standing({ lifetime: limits });
      const rekeyed = () => count(pair.left, 'childSaRekeyed');
      expect(rekeyed()).toBe(0);
      for (let second = 0; second < seconds; second += 1) {
        pair.advance(1_000);
        expect(pair.encrypts(), `second ${second}`).toBe(true);
      }
      expect(rekeyed()).toBe(1);
      pair.advance(20_000);
      expectOneChild(pair);
    },
  );

  it('is shown in the status before it is due, jittered below what is configured', () => {
    const pair = standing({ lifetime: { softSeconds: 1_000, hardSeconds: 7_200 } });
    const { installedAt, rekeyAt, expiresAt } = newest(pair, pair.left);
    expect(present(rekeyAt) - installedAt).toBeGreaterThanOrEqual(800_000);
    expect(present(rekeyAt) - installedAt).toBeLessThanOrEqual(1_000_000);
    expect(present(expiresAt) - installedAt).toBe(7_200_000);
    pair.advance(present(rekeyAt) - pair.at + 1_000);
    expect(count(pair.left, 'childSaRekeyed')).toBe(1);
  });

  it.each([
    ['without a key exchange of its own', ['aes256gcm16', 'esn'], 'aes256gcm16-esn'],
    ['with perfect forward secrecy', ['aes256gcm16', 'x25519', 'esn'], 'aes256gcm16-x25519-esn'],
  ] as const)('%s gives both ends the same new keys', (_, words, suite) => {
    const pair = standing({ proposals: [proposal(...words)] });
    for (const side of [pair.left, pair.right, pair.left]) {
      expire(pair, side);
      pair.settle().advance(20_000);
      expect(newest(pair, side).suite).toBe(suite);
      expect(pair.encrypts()).toBe(true);
      expectOneChild(pair);
    }
    expect(count(pair.right, 'childSaRekeyed')).toBe(3);
  });

  it('follows the responder to another group of both proposals, and begins with that one the next time', () => {
    const child = (...groups: readonly string[]) => [
      childConfig({ proposals: [proposal('aes256gcm16', ...groups, 'esn')] }),
    ];
    const pair = new Pair().configure({ children: child('x25519', 'ecp256') }, { children: child('ecp256') });
    pair.settle().advance(60_000);
    const requests = () => pair.sent.filter(({ bytes }) => headline(bytes)[0] === 36).length;
    expire(pair, pair.left);
    pair.settle().advance(20_000);
    expect(newest(pair, pair.left).suite).toBe('aes256gcm16-ecp256-esn');
    expect(requests()).toBe(4);
    expire(pair, pair.left);
    pair.settle().advance(20_000);
    expect(count(pair.left, 'childSaRekeyed')).toBe(2);
    expect(requests()).toBe(6);
  });

  it('by both ends at once leaves one Child SA, the same at both, and loses nothing (RFC 7296 §2.8.1)', () => {
    const pair = standing();
    expire(pair, pair.left);
    expire(pair, pair.right);
    pair.fire();
    expect(pair.wire).toHaveLength(2);
    losesNothing(pair, 20, () => false);
    expectOneChild(pair);
    const collision = { kind: 'collision', request: 'rekeyChild', own: 'rekeyChild', decision: 'grantAndCompare' };
    for (const side of [pair.left, pair.right]) expect(side.facts).toContainEqual(expect.objectContaining(collision));
  });

  // By the first seed the lowest nonce stands in the left side's exchange, by the other one in the right side's.
  it.each([1, 11])(
    'by both ends at once has both send on the same one before either has deleted the other (nonces of seed %i)',
    (seed) => {
      const pair = new Pair({ seeds: [seed, 9] }).configure().settle().advance(60_000);
      // The responder of a new IKE SA waits for the initiator to end the old one, and looks only then at what else is to go.
      pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
      pair.settle().advance(3_000);
      for (const side of [pair.left, pair.right]) expire(pair, side);
      pair.fire();
      losesNothing(pair, 2, () => false);
      const { children } = present(pair.status(pair.left).ikeSas[0]);
      const sentOn = children.find(({ outboundSpi }) => outboundSpi === pin(pair, pair.left));
      expect(pin(pair, pair.right)).toBe(present(sentOn).inboundSpi);
      losesNothing(pair, 60, () => false);
      expectOneChild(pair);
    },
  );

  it('is put off while a new IKE SA is on its way, and is not forgotten where that comes to nothing', () => {
    const pair = standing();
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    pair.wire.length = 0;
    expire(pair, pair.left);
    pair.fire();
    expect(pair.wire).toHaveLength(0);
    pair.right.refuse = ({ kind }) => (kind === 'addSa' ? 'no memory' : undefined);
    pair.advance(30_000);
    pair.right.refuse = () => undefined;
    pair.advance(120_000);
    expect(pair.encrypts()).toBe(true);
    expectOneChild(pair);
  });

  it('that the kernel has no memory for is tried again in time, though the hard limit is less than a minute away', () => {
    const lasting = (softSeconds: number) => ({
      children: [childConfig({ lifetime: { softSeconds, hardSeconds: softSeconds + 40 } })],
    });
    const pair = new Pair().configure(lasting(600), lasting(6_000)).settle().advance(479_000);
    pair.left.refuse = ({ kind }) => (kind === 'addSa' ? 'no memory' : undefined);
    pair.advance(144_000);
    pair.left.refuse = () => undefined;
    for (let second = 0; second < 60; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
    expect(pair.left.facts).not.toContainEqual(expect.objectContaining({ kind: 'saExpired', hard: true }));
  });

  it('moves the peer to the pair that it has granted, although a newer one in a new IKE SA waits for its answer', () => {
    const pair = standing();
    expire(pair, pair.left);
    pair.fire();
    pair.deliver();
    pair.deliver();
    pair.fire();
    const deletion = present(pair.wire.shift());
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    for (let message = 0; message < 3; message += 1) pair.deliver();
    // The IKE_AUTH response, which grants a pair in a new IKE SA, is under way yet.
    expect(pair.wire).toHaveLength(1);
    pair.deliverCopy(deletion);
    expect(pair.packet(pair.right)).toBe('encrypted');
    pair.settle().advance(20_000);
    expectOneChild(pair);
  });

  it('that nobody asked the peer to delete is deleted by us when the peer does not', () => {
    const peer = waiting().establish();
    const { pair, subject } = peer;
    grantedRekey(peer);
    // A packet on the new pair shows that the peer uses it.
    const inboundSpi = newest(pair, subject).inboundSpi;
    const id = { destination: subject.address, spi: inboundSpi };
    const { reqid } = newest(pair, subject);
    pair.handle(subject, { kind: 'kernel', event: { kind: 'counters', id, reqid, packets: 1, bytes: 100 } });
    expect(pin(pair, subject)).toBe(0x0f0f0f0f);
    pair.advanceLosing(14_000);
    expect(pair.status(subject).ikeSas[0]?.children).toHaveLength(2);
    pair.at += 2_000;
    pair.fire();
    const [payload] = peer.open(peer.take());
    expect(payload).toMatchObject({ kind: 'delete', protocol: Protocol.ESP });
    expect(pair.status(subject).ikeSas[0]?.children).toMatchObject([{ inboundSpi }]);
  });
});

const NONCE: Payload = { kind: 'nonce', data: new Uint8Array(32).fill(5) };

/** A REKEY_SA for what the scripted peer receives on. */
function rekeySa(spi: number, protocol: number = Protocol.ESP): Payload {
  return { ...notify(NotifyType.REKEY_SA), protocol, spi: spiToBytes(spi) };
}

function ask(peer: ScriptedPeer, ...payloads: readonly Payload[]): readonly Payload[] {
  peer.send(peer.request(ExchangeType.CREATE_CHILD_SA, payloads));
  return peer.open(peer.take());
}

/** The peer has its Child SA rekeyed; the new one is received on at 0x0f0f0f0f. */
function grantedRekey(peer: ScriptedPeer): readonly Payload[] {
  const before = peer.espSpi;
  peer.espSpi = 0x0f0f0f0f;
  return ask(peer, rekeySa(before), ...peer.child(), NONCE);
}

function deletion(...spis: readonly number[]): Payload {
  return { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis: spis.map(spiToBytes) };
}

describe('a rekey that the peer asks for', () => {
  it('names what the peer receives on, and is answered with what we receive on from now on (RFC 7296 §1.3.3)', () => {
    const peer = waiting().establish();
    const { pair, subject } = peer;
    const before = newest(pair, subject);
    const sa = grantedRekey(peer).find((payload) => payload.kind === 'sa');
    const { inboundSpi, outboundSpi } = newest(pair, subject);
    expect(outboundSpi).toBe(0x0f0f0f0f);
    expect(sa?.proposals.map(({ spi }) => spi)).toEqual([spiToBytes(inboundSpi)]);
    expect(pin(pair, subject)).toBe(before.outboundSpi);
    peer.send(peer.request(ExchangeType.INFORMATIONAL, [deletion(before.outboundSpi)]));
    expect(peer.open(peer.take())).toEqual([deletion(before.inboundSpi)]);
    expect(pin(pair, subject)).toBe(0x0f0f0f0f);
    pair.advanceLosing(10_000);
    expect(pair.sas(subject)).toHaveLength(2);
  });

  it('for a Child SA that we do not have gets CHILD_SA_NOT_FOUND, which says which (RFC 7296 §2.25.1)', () => {
    const peer = waiting().establish();
    const before = JSON.stringify(peer.pair.sas(peer.subject));
    const answer = ask(peer, rekeySa(0x12345678), ...peer.child(), NONCE);
    const notFound = { notifyType: NotifyType.CHILD_SA_NOT_FOUND, protocol: Protocol.ESP, spi: spiToBytes(0x12345678) };
    expect(answer).toMatchObject([notFound]);
    expect(JSON.stringify(peer.pair.sas(peer.subject))).toBe(before);
  });

  it('while we wait for an answer gets TEMPORARY_FAILURE: it may be what that answer grants, which has been lost', () => {
    const { peer } = rekeyAsked();
    const answer = ask(peer, rekeySa(0x12345678), ...peer.child(), NONCE);
    expect(notifyTypes(answer)).toEqual([NotifyType.TEMPORARY_FAILURE]);
  });

  it('by the SPI that we receive on, which is the wrong one of the two, finds nothing either', () => {
    const peer = waiting().establish();
    const { inboundSpi } = newest(peer.pair, peer.subject);
    const answer = ask(peer, rekeySa(inboundSpi), ...peer.child(), NONCE);
    expect(notifyTypes(answer)).toEqual([NotifyType.CHILD_SA_NOT_FOUND]);
  });

  it('for an AH SA finds nothing, whatever its SPI', () => {
    const peer = waiting().establish();
    const answer = ask(peer, rekeySa(peer.espSpi, Protocol.AH), ...peer.child(), NONCE);
    expect(notifyTypes(answer)).toEqual([NotifyType.CHILD_SA_NOT_FOUND]);
  });

  it('for a Child SA that we are deleting gets TEMPORARY_FAILURE (RFC 7296 §2.25.1)', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    peer.take();
    expect(notifyTypes(ask(peer, rekeySa(peer.espSpi), ...peer.child(), NONCE))).toEqual([
      NotifyType.TEMPORARY_FAILURE,
    ]);
  });

  it('for a Child SA whose Delete still waits for an answer to something else gets TEMPORARY_FAILURE, too', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    peer.pair.command(peer.subject, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    peer.take();
    expect(notifyTypes(ask(peer, rekeySa(peer.espSpi), ...peer.child(), NONCE))).toEqual([
      NotifyType.TEMPORARY_FAILURE,
    ]);
  });

  it('a second time for the same Child SA gets TEMPORARY_FAILURE, so that pairs do not pile up', () => {
    const peer = waiting().establish();
    const before = peer.espSpi;
    grantedRekey(peer);
    peer.espSpi = 0x0c0c0c0c;
    expect(notifyTypes(ask(peer, rekeySa(before), ...peer.child(), NONCE))).toEqual([NotifyType.TEMPORARY_FAILURE]);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children).toHaveLength(2);
  });

  it.each([1, 2, 3, 4, 5])(
    'over and over in a chain without any Delete is bounded (%i allowed)',
    (childrenPerIkeSa) => {
      const peer = waiting({}, {}, new Pair({ limits: { childrenPerIkeSa } })).establish();
      const answers: number[] = [];
      for (let round = 0; round < 20; round += 1) {
        const before = peer.espSpi;
        peer.espSpi = 0x1000 + round;
        const types = notifyTypes(ask(peer, rekeySa(before), ...peer.child(), NONCE)).filter((type) => type < 16_384);
        if (types.length > 0) peer.espSpi = before;
        answers.push(...types);
      }
      expect(new Set(answers)).toEqual(new Set([NotifyType.NO_ADDITIONAL_SAS]));
      expect(peer.pair.status(peer.subject).ikeSas[0]?.children.length).toBeLessThanOrEqual(2 * childrenPerIkeSa);
    },
  );

  it('must not narrow the traffic below what there is (RFC 7296 §2.9.2)', () => {
    const peer = waiting().establish();
    const oneHost = {
      tsType: 7,
      protocol: 6,
      startPort: 443,
      endPort: 443,
      start: Uint8Array.of(192, 0, 2, 1),
      end: Uint8Array.of(192, 0, 2, 1),
    } as const;
    const answer = ask(peer, rekeySa(peer.espSpi), ...peer.child({ theirs: [oneHost] }), NONCE);
    expect(notifyTypes(answer)).toEqual([NotifyType.TS_UNACCEPTABLE]);
    expect(texts(peer.subject, 'negotiationFailed').at(-1)).toContain('with less traffic than it has');
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children).toHaveLength(1);
  });

  it('without a key exchange is refused where perfect forward secrecy is configured', () => {
    const children = [childConfig({ proposals: [proposal('aes256gcm16', 'x25519', 'esn')] })];
    const peer = waiting({ children }).establish();
    expect(notifyTypes(ask(peer, rekeySa(peer.espSpi), ...peer.child(), NONCE))).toEqual([
      NotifyType.NO_PROPOSAL_CHOSEN,
    ]);
    const withGroup = espProposal(peer.espSpi, [transform(1, 20, 256), transform(5, 1), transform(4, 31)]);
    const answer = ask(peer, rekeySa(peer.espSpi), ...peer.child({ sa: [withGroup] }), NONCE);
    expect(answer).toMatchObject([{ notifyType: NotifyType.INVALID_KE_PAYLOAD, data: Uint8Array.of(0, 31) }]);
  });

  it('and whose Child SA the peer deletes while we rekey it is answered as usual, and our rekey forgotten', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    const { inboundSpi } = newest(pair, subject);
    peer.send(peer.request(ExchangeType.INFORMATIONAL, [deletion(peer.espSpi)]));
    expect(peer.open(peer.take())).toEqual([deletion(inboundSpi)]);
    peer.send(peer.respond(request, [notify(NotifyType.CHILD_SA_NOT_FOUND)]));
    expect(texts(subject, 'negotiationFailed')).toEqual([]);
    expect(pair.status(subject).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
  });
});

/** We have asked the scripted peer for a rekey and wait for its answer. */
function rekeyAsked(): { readonly peer: ScriptedPeer; readonly request: Uint8Array } {
  const peer = waiting().establish();
  expire(peer.pair, peer.subject);
  peer.pair.fire();
  return { peer, request: peer.take() };
}

/** Payloads by which the scripted peer grants a Child SA: the exchange is ours, so our selectors are TSi. */
function granted(peer: ScriptedPeer, changes: Partial<ChildPayloads> = {}): readonly Payload[] {
  const turned = peer.child(changes).map((payload): Payload => {
    if (payload.kind === 'tsi') return { ...payload, kind: 'tsr' };
    return payload.kind === 'tsr' ? { ...payload, kind: 'tsi' } : payload;
  });
  return [...turned, NONCE];
}

describe('a rekey that we ask for', () => {
  it('names what we receive on, and offers what is configured (RFC 7296 §1.3.3)', () => {
    const { peer, request } = rekeyAsked();
    const { inboundSpi } = newest(peer.pair, peer.subject);
    const payloads = peer.open(request);
    expect(headline(request)[0]).toBe(ExchangeType.CREATE_CHILD_SA);
    expect(payloads[0]).toMatchObject({
      notifyType: NotifyType.REKEY_SA,
      protocol: Protocol.ESP,
      spi: spiToBytes(inboundSpi),
    });
    expect(payloads.map(({ kind }) => kind)).toEqual(['notify', 'notify', 'sa', 'tsi', 'tsr', 'nonce']);
  });

  it('and that the peer has no time for is asked for again after some seconds, never at once (RFC 7296 §2.25)', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    peer.send(peer.respond(request, [notify(NotifyType.TEMPORARY_FAILURE)]));
    const begun = pair.at;
    while (peer.waiting === 0 && pair.at < begun + 20_000) {
      pair.at += 100;
      pair.fire();
    }
    expect(pair.at - begun).toBeGreaterThan(3_000);
    expect(pair.at - begun).toBeLessThan(10_000);
    const again = peer.take();
    peer.espSpi = 0x0f0f0f0f;
    peer.send(peer.respond(again, granted(peer)));
    expect(pin(pair, subject)).toBe(0x0f0f0f0f);
    expect(texts(subject, 'negotiationFailed')).toEqual([]);
  });

  it('and that the peer never has time for is taken for failed after minutes; a new IKE SA is made', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    const begun = pair.at;
    let next = request;
    while (headline(next)[0] !== ExchangeType.IKE_SA_INIT && pair.at < begun + 600_000) {
      const answer = headline(next)[0] === ExchangeType.CREATE_CHILD_SA ? [notify(NotifyType.TEMPORARY_FAILURE)] : [];
      peer.send(peer.respond(next, answer));
      while (peer.waiting === 0) {
        pair.at += 500;
        pair.fire();
      }
      next = peer.take();
    }
    expect(pair.at - begun).toBeGreaterThan(120_000);
    expect(pair.at - begun).toBeLessThan(300_000);
    expect(subject.facts).toContainEqual(expect.objectContaining({ kind: 'rekeyFailed', child: 'hosts' }));
    expect(pair.status(subject).ikeSas[0]).toMatchObject({ state: 'established', children: [{ state: 'installed' }] });
  });

  it('of what the peer does not know any more: ours goes without a Delete, and a new one is made (RFC 7296 §2.25)', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    peer.send(peer.respond(request, [notify(NotifyType.CHILD_SA_NOT_FOUND)]));
    const creation = peer.open(peer.take());
    expect(creation.map(({ kind }) => kind)).toEqual(['notify', 'sa', 'tsi', 'tsr', 'nonce']);
    expect(notifyTypes(creation)).toEqual([NotifyType.USE_TRANSPORT_MODE]);
    expect(pair.outbound(subject)).toEqual([]);
    expect(peer.waiting).toBe(0);
  });

  it.each([
    ['NO_ADDITIONAL_SAS', NotifyType.NO_ADDITIONAL_SAS],
    ['NO_PROPOSAL_CHOSEN', NotifyType.NO_PROPOSAL_CHOSEN],
    ['TS_UNACCEPTABLE', NotifyType.TS_UNACCEPTABLE],
  ] as const)('and that the peer refuses with %s leads to a new IKE SA, the old pair in use until then', (_, type) => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    peer.send(peer.respond(request, [notify(type)]));
    pair.at += 2_000;
    pair.fire();
    expect(headline(peer.take())[0]).toBe(ExchangeType.IKE_SA_INIT);
    expect(pair.outbound(subject)).toHaveLength(1);
    expect(subject.facts).toContainEqual(expect.objectContaining({ kind: 'rekeyFailed', by: 'peer' }));
    expect(texts(subject, 'negotiationFailed').at(-1)).toContain('the rekey of Child hosts');
  });

  it('must not come back with less traffic: the new pair is deleted again, the old one stays (RFC 7296 §2.9.2)', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    const before = peer.espSpi;
    const web = {
      tsType: 7,
      protocol: 6,
      startPort: 443,
      endPort: 443,
      start: Uint8Array.of(192, 0, 2, 2),
      end: Uint8Array.of(192, 0, 2, 2),
    } as const;
    const offered = peer.open(request).find((payload) => payload.kind === 'sa');
    peer.espSpi = 0x0f0f0f0f;
    peer.send(peer.respond(request, granted(peer, { ours: [web] })));
    expect(peer.open(peer.take())).toEqual([
      { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis: offered?.proposals.map(({ spi }) => spi) },
    ]);
    expect(pin(pair, subject)).toBe(before);
    expect(pair.outbound(subject)).toHaveLength(1);
  });
});
