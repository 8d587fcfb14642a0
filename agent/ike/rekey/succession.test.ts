import { describe, expect, it } from 'vitest';

import { type IkeSpi, spiFromBytes } from '../../wire/header.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType, Protocol } from '../../wire/registry.ts';
import { spiToBytes } from '../exchange/child-negotiation.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { connectionConfig, type Datagram, Pair, present, proposal, type Side } from '../testing/pair.ts';
import { calling, headline, notifyTypes, parsed, type ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig, IkeSaStatus } from '../types.ts';

const { CREATE_CHILD_SA, INFORMATIONAL } = ExchangeType;

/** An established pair that has stood for a minute. */
function standing(changes: Partial<ConnectionConfig> = {}): Pair {
  return new Pair().configure(changes, changes).settle().advance(60_000);
}

function rekey(pair: Pair, side: Side): void {
  pair.command(side, { kind: 'rekey', name: pair.other(side).name });
}

function count(side: Side, kind: Fact['kind']): number {
  return side.facts.filter((fact) => fact.kind === kind).length;
}

function spis({ initiatorSpi, responderSpi }: IkeSaStatus): readonly string[] {
  return [initiatorSpi, responderSpi];
}

/** Both ends have the same IKE SA and in it the same Child SA; nothing else is left in core or kernel. */
function expectOneOfEach(pair: Pair): void {
  const [left, right] = [pair.left, pair.right].map((side) => pair.status(side).ikeSas);
  expect(left?.map(({ state }) => state)).toEqual(['established']);
  expect(right?.map(spis)).toEqual(left?.map(spis));
  const ours = left?.flatMap(({ children }) =>
    children.map(({ inboundSpi, outboundSpi }) => [inboundSpi, outboundSpi]),
  );
  const theirs = right?.flatMap(({ children }) => children.map((each) => [each.outboundSpi, each.inboundSpi]));
  expect(ours).toHaveLength(1);
  expect(theirs).toEqual(ours);
  expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
}

/** Delivers and lets time pass; a packet is sent in both directions in each step, and must arrive. */
function losesNothing(pair: Pair, seconds: number, isLost: (datagram: Datagram, index: number) => boolean): void {
  let index = 0;
  for (let step = 0; step < seconds * 50; step += 1) {
    const datagram = pair.wire.shift();
    if (datagram !== undefined) {
      if (!isLost(datagram, index)) pair.deliverCopy(datagram);
      index += 1;
    }
    pair.at += 20;
    pair.fire();
    expect(pair.encrypts(), `step ${step}`).toBe(true);
  }
}

describe('the rekey of an IKE SA', () => {
  it('leaves nothing in the status of a peer that dies before it has heard of it', () => {
    const pair = standing();
    rekey(pair, pair.left);
    pair.deliver();
    expect(pair.status(pair.right).ikeSas.map(({ state }) => state)).toEqual(['rekeyed', 'established']);
    const closed = () => pair.right.facts.filter(({ kind }) => kind === 'ikeSaClosed').length;
    while (closed() === 0) pair.advanceLosing(1_000);
    pair.advanceLosing(11_000);
    expect(pair.status(pair.right).ikeSas).toEqual([]);
  });

  it('makes a new one with new SPIs, message IDs from 0 and the side that asked as initiator (RFC 7296 §2.18)', () => {
    const pair = standing();
    const [before] = pair.status(pair.left).ikeSas;
    const sent = pair.sent.length;
    rekey(pair, pair.right);
    pair.settle();
    const [after] = pair.status(pair.left).ikeSas;
    expect(after).toMatchObject({ number: 2, role: 'responder', state: 'established' });
    expect(spis(present(after)).some((spi) => spis(present(before)).includes(spi))).toBe(false);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.settle();
    const headers = pair.sent.slice(sent).map(({ bytes }) => parsed(bytes).header);
    const onNew = headers.filter(({ initiatorSpi }) => initiatorSpi === after?.initiatorSpi);
    expect(onNew.map(({ messageId, flags }) => [messageId, flags.initiator, flags.response])).toEqual([
      [0, false, false],
      [0, true, true],
    ]);
    expectOneOfEach(pair);
  });

  it('changes nothing in any kernel: the Child SAs belong to the new one (RFC 7296 §2.8)', () => {
    const pair = standing();
    const kernels = () => JSON.stringify([pair.sas(pair.left), pair.sas(pair.right), pair.policies(pair.left)]);
    const before = kernels();
    const commands = pair.left.commands.length + pair.right.commands.length;
    rekey(pair, pair.left);
    pair.settle().advance(20_000);
    expect(kernels()).toBe(before);
    expect(pair.left.commands.length + pair.right.commands.length).toBe(commands);
    expect(pair.status(pair.right).ikeSas).toMatchObject([{ number: 2, children: [{ name: 'hosts' }] }]);
    expect(count(pair.left, 'childSaClosed')).toBe(0);
  });

  it.each(['left', 'right'] as const)(
    'leaves Child SAs that can be rekeyed, deleted and asked for again (%s)',
    (who) => {
      const pair = standing();
      rekey(pair, pair.left);
      pair.settle();
      const side = pair[who];
      const name = pair.other(side).name;
      pair.command(side, { kind: 'rekeyChild', name, child: 'hosts' });
      pair.settle().advance(10_000);
      expect(count(side, 'childSaRekeyed')).toBe(1);
      expectOneOfEach(pair);
      pair.command(side, { kind: 'terminateChild', name, child: 'hosts' });
      pair.settle().advance(10_000);
      expect(pair.encrypts()).toBe(true);
      expectOneOfEach(pair);
      expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
    },
  );

  it('is begun by either side, over and over, and both tell of it', () => {
    const pair = standing();
    for (let round = 0; round < 10; round += 1) {
      rekey(pair, round % 3 === 0 ? pair.left : pair.right);
      pair.settle().advance(3_000);
      expect(pair.encrypts()).toBe(true);
      expectOneOfEach(pair);
    }
    for (const side of [pair.left, pair.right]) {
      expect(count(side, 'ikeSaRekeyed')).toBe(10);
      const closed = side.facts.flatMap((fact) => (fact.kind === 'ikeSaClosed' ? [fact.reason] : []));
      expect(closed).toEqual(Array(10).fill('rekeyed'));
    }
  });

  it('happens when its lifetime is over, jittered, as the status says before (RFC 7296 §2.8)', () => {
    const times = [1, 2, 3, 4].map((seed) => {
      const pair = new Pair();
      pair.restarted(pair.left, seed);
      pair.configure({ ikeLifetimeMs: 1_000_000 }).settle();
      const dueAt = present(pair.status(pair.left).ikeSas[0]?.rekeyAt);
      while (count(pair.left, 'ikeSaRekeyed') === 0 && pair.at < 1_100_000) pair.advance(1_000);
      expect(pair.at - dueAt).toBeGreaterThanOrEqual(0);
      expect(pair.at - dueAt).toBeLessThanOrEqual(1_000);
      return pair.at;
    });
    for (const time of times) {
      expect(time).toBeGreaterThan(790_000);
      expect(time).toBeLessThan(1_005_000);
    }
    expect(new Set(times).size).toBeGreaterThan(2);
  });

  it('loses no packet and leaves one IKE SA, whichever datagram is lost on the way', () => {
    for (let lost = -1; lost < 5; lost += 1) {
      const pair = standing();
      rekey(pair, pair.left);
      pair.fire();
      losesNothing(pair, 50, (_, index) => index === lost);
      expectOneOfEach(pair);
      expect(count(pair.left, 'ikeSaEstablished'), `datagram ${lost}`).toBe(1);
    }
  });

  it('begins with the group that both have agreed on before, not with the first of the configuration', () => {
    const groups = (...words: readonly string[]) => ({ proposals: [proposal('aes256gcm16', 'prfsha384', ...words)] });
    const pair = new Pair().configure(groups('x25519', 'ecp256'), groups('ecp256', 'x25519')).settle();
    rekey(pair, pair.left);
    pair.settle();
    expect(pair.sent.filter(({ bytes }) => headline(bytes)[0] === CREATE_CHILD_SA)).toHaveLength(2);
    expect(pair.status(pair.left).ikeSas[0]?.suite).toBe('aes256gcm16-prfsha384-ecp256');
  });

  it('is of what was offered, also where other proposals are configured before the answer comes', () => {
    const other = proposal('aes128gcm16', 'prfsha256', 'ecp256');
    const first = proposal('aes256gcm16', 'prfsha384', 'x25519');
    const pair = new Pair();
    pair
      .configure({ proposals: [first] }, { proposals: [first, other] })
      .settle()
      .advance(60_000);
    pair.command(pair.left, { kind: 'rekey', name: 'right' });
    pair.fire();
    const connection = connectionConfig(pair.left, pair.right, { proposals: [other, first] });
    pair.command(pair.left, { kind: 'updateConnection', connection });
    for (let step = 0; step < 100; step += 1) {
      pair.fire();
      if (pair.wire.length > 0) pair.deliver();
      expect(pair.encrypts()).toBe(true);
      pair.at += 50;
    }
    expect(pair.left.facts.filter(({ kind }) => kind === 'negotiationFailed')).toEqual([]);
  });

  it('is put off while a new IKE SA is on its way', () => {
    const pair = standing();
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    rekey(pair, pair.left);
    pair.settle().advance(20_000);
    expect(count(pair.left, 'ikeSaRekeyed')).toBe(0);
    expectOneOfEach(pair);
  });

  it('keeps the time of the next reauthentication, and the next rekey a lifetime away', () => {
    const pair = standing({ reauthenticationMs: 50_000_000, ikeLifetimeMs: 1_000_000 });
    const [before] = pair.status(pair.left).ikeSas;
    rekey(pair, pair.left);
    pair.settle();
    const [after] = pair.status(pair.left).ikeSas;
    expect(after?.reauthenticateAt).toBe(before?.reauthenticateAt);
    expect(present(after?.rekeyAt) - pair.at).toBeGreaterThanOrEqual(800_000);
  });

  it('waits for a question that is open, and takes what is in line behind it along', () => {
    const pair = standing();
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    rekey(pair, pair.left);
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    pair.settle().advance(10_000);
    expect([count(pair.left, 'ikeSaRekeyed'), count(pair.left, 'childSaRekeyed')]).toEqual([1, 1]);
    expectOneOfEach(pair);
  });

  it('and the end of the connection by order while it is open leaves nothing at either end', () => {
    for (let messages = 0; messages < 4; messages += 1) {
      for (const who of ['left', 'right'] as const) {
        const pair = new Pair().configure({ initiation: 'respond' });
        pair.command(pair.left, { kind: 'initiate', name: 'right' });
        pair.settle().advance(60_000);
        rekey(pair, pair.left);
        for (let message = 0; message < messages && pair.wire.length > 0; message += 1) pair.deliver();
        pair.command(pair[who], { kind: 'terminate', name: pair.other(pair[who]).name });
        pair.settle().advance(40_000);
        expect([pair.status(pair.left).ikeSas, pair.status(pair.right).ikeSas], `${messages} ${who}`).toEqual([[], []]);
        expect([pair.sas(pair.left), pair.sas(pair.right)]).toEqual([[], []]);
      }
    }
  });
});

describe('an IKE SA that has been rekeyed', () => {
  it('is deleted by the initiator of the rekey, at once', () => {
    const pair = standing();
    rekey(pair, pair.left);
    pair.deliver();
    expect(pair.status(pair.right).ikeSas.map(({ state }) => state)).toEqual(['rekeyed', 'established']);
    pair.deliver();
    expect(pair.status(pair.left).ikeSas.map(({ state }) => state)).toEqual(['deleting', 'established']);
    pair.settle();
    expectOneOfEach(pair);
  });

  it('is deleted by the responder when the initiator has not done so in time', () => {
    const pair = standing();
    rekey(pair, pair.left);
    losesNothing(pair, 12, ({ from, bytes }) => from === pair.left && headline(bytes)[0] === INFORMATIONAL);
    expect(pair.status(pair.right).ikeSas.map(({ state }) => state)).toEqual(['rekeyed', 'established']);
    pair.advance(30_000);
    expectOneOfEach(pair);
  });

  it('stays while the initiator may still ask for the answer that it has never got', () => {
    const pair = standing();
    rekey(pair, pair.left);
    losesNothing(pair, 40, ({ from, bytes }) => from === pair.right && headline(bytes)[0] === CREATE_CHILD_SA);
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: 1, state: 'established' }]);
    pair.advance(30_000);
    expect(pair.encrypts()).toBe(true);
    expectOneOfEach(pair);
    expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
  });

  it('takes nothing but its Delete: whatever the peer asks for on it, it is to ask on the new one (RFC 7296 §2.25.2)', () => {
    const { peer } = rekeyed();
    for (const payloads of [
      [...peer.child(), NONCE],
      [rekeySa(peer.espSpi), ...peer.child(), NONCE],
      peer.ikeSa(SPI),
    ]) {
      expect(notifyTypes(ask(peer, ...payloads))).toEqual([NotifyType.TEMPORARY_FAILURE]);
    }
    expect(peer.pair.outbound(peer.subject)).toHaveLength(1);
    peer.send(peer.request(INFORMATIONAL, [{ kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] }]));
    expect(peer.open(peer.take())).toEqual([]);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ number: 2, children: [{}] }]);
    expect(peer.pair.outbound(peer.subject)).toHaveLength(1);
  });

  it('is one of few: a peer that rekeys and rekeys and deletes nothing is put off', () => {
    let { peer } = { peer: waiting().establish() };
    const answers: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      const spi = spiFromBytes(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, round));
      const answer = ask(peer, ...peer.ikeSa(spi));
      answers.push(...notifyTypes(answer));
      if (notifyTypes(answer).length === 0) peer = peer.successor('initiator', spi, answer);
    }
    expect(new Set(answers)).toEqual(new Set([NotifyType.TEMPORARY_FAILURE]));
    expect(peer.pair.status(peer.subject).ikeSas.length).toBeLessThan(6);
    expect(peer.pair.status(peer.subject).ikeSas.at(-1)).toMatchObject({ state: 'established', children: [{}] });
  });
});

const SPI = spiFromBytes(Uint8Array.of(0xdd, 1, 2, 3, 4, 5, 6, 7));
const NONCE: Payload = { kind: 'nonce', data: new Uint8Array(32).fill(5) };

function ask(peer: ScriptedPeer, ...payloads: readonly Payload[]): readonly Payload[] {
  peer.send(peer.request(CREATE_CHILD_SA, payloads));
  return peer.open(peer.take());
}

function rekeySa(spi: number): Payload {
  return { ...notify(NotifyType.REKEY_SA), protocol: Protocol.ESP, spi: spiToBytes(spi) };
}

function deletion(...list: readonly number[]): Payload {
  return { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis: list.map(spiToBytes) };
}

/** The scripted peer has rekeyed the IKE SA: itself on the old one and on the new one. */
function rekeyed(spi: IkeSpi = SPI): { readonly peer: ScriptedPeer; readonly next: ScriptedPeer } {
  const peer = waiting().establish();
  const next = peer.successor('initiator', spi, ask(peer, ...peer.ikeSa(spi)));
  return { peer, next };
}

/** We have asked the scripted peer for a rekey of the IKE SA and wait for its answer. */
function rekeyAsked(): { readonly peer: ScriptedPeer; readonly request: Uint8Array } {
  const peer = waiting().establish();
  rekey(peer.pair, peer.subject);
  return { peer, request: peer.take() };
}

describe('a rekey of the IKE SA that the peer asks for', () => {
  it('gives keys from SK_d and the new exchange, which both sides can use at once (RFC 7296 §2.18)', () => {
    const { next } = rekeyed();
    next.send(next.request(INFORMATIONAL, []));
    const answer = next.take();
    expect(headline(answer)).toEqual([INFORMATIONAL, 0, 'response']);
    expect(next.open(answer)).toEqual([]);
  });

  it.each([
    ['a further Child SA is created', 'createChild'],
    ['a Child SA is rekeyed', 'rekeyChild'],
    ['a Child SA is deleted', 'terminateChild'],
  ] as const)('while %s by us gets TEMPORARY_FAILURE (RFC 7296 §2.25.1)', (_, operation) => {
    const peer = waiting().establish();
    const { pair, subject } = peer;
    if (operation === 'createChild') {
      pair.command(subject, { kind: 'terminateChild', name: 'right', child: 'hosts' });
      peer.send(peer.respond(peer.take(), []));
      pair.command(subject, { kind: 'initiate', name: 'right' });
    } else pair.command(subject, { kind: operation, name: 'right', child: 'hosts' });
    pair.fire();
    const open = headline(peer.take())[0];
    expect(open).toBe(operation === 'terminateChild' ? INFORMATIONAL : CREATE_CHILD_SA);
    expect(notifyTypes(ask(peer, ...peer.ikeSa(SPI)))).toEqual([NotifyType.TEMPORARY_FAILURE]);
    expect(pair.status(subject).ikeSas).toMatchObject([{ number: 1, state: 'established' }]);
  });

  it('while we only ask whether it is alive is granted, and the answer to that is still listened to', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    const question = peer.take();
    expect(notifyTypes(ask(peer, ...peer.ikeSa(SPI)))).toEqual([]);
    peer.send(peer.respond(question, []));
    peer.pair.fire();
    expect(peer.waiting).toBe(0);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'rekeyed' }, { state: 'established' }]);
  });

  it('while we delete the IKE SA gets TEMPORARY_FAILURE (RFC 7296 §2.25.2)', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'terminate', name: 'right' });
    peer.take();
    expect(notifyTypes(ask(peer, ...peer.ikeSa(SPI)))).toEqual([NotifyType.TEMPORARY_FAILURE]);
  });

  it('with algorithms that are not configured is refused, and nothing changes', () => {
    const peer = waiting().establish();
    const [sa, ...rest] = peer.ikeSa(SPI);
    const { proposals } = sa as Extract<Payload, { kind: 'sa' }>;
    const weak = proposals.map((each) => ({ ...each, transforms: each.transforms.filter(({ type }) => type !== 2) }));
    const answer = ask(peer, { kind: 'sa', proposals: weak }, ...rest);
    expect(notifyTypes(answer)).toEqual([NotifyType.NO_PROPOSAL_CHOSEN]);
    expect(texts(peer.subject, 'negotiationFailed').at(-1)).toContain('give both sides a proposal in common');
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ number: 1, state: 'established' }]);
  });

  it('with another group than the chosen one is told which (RFC 7296 §1.3)', () => {
    const peer = waiting().establish();
    const payloads = peer.ikeSa(SPI).map((each): Payload => (each.kind === 'ke' ? { ...each, group: 19 } : each));
    expect(ask(peer, ...payloads)).toMatchObject([
      { notifyType: NotifyType.INVALID_KE_PAYLOAD, data: Uint8Array.of(0, 31) },
    ]);
  });
});

describe('while we rekey the IKE SA', () => {
  it.each([
    ['to create a Child SA', (p: ScriptedPeer) => [...p.child(), NONCE]],
    ['to rekey a Child SA', (p: ScriptedPeer) => [rekeySa(p.espSpi), ...p.child(), NONCE]],
  ] as const)('a request %s gets TEMPORARY_FAILURE (RFC 7296 §2.25.2)', (_, payloads) => {
    const { peer } = rekeyAsked();
    expect(notifyTypes(ask(peer, ...payloads(peer)))).toEqual([NotifyType.TEMPORARY_FAILURE]);
  });

  it('a Child SA that the peer deletes goes as usual, and our rekey goes on', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    const child = present(pair.status(subject).ikeSas[0]?.children[0]);
    peer.send(peer.request(INFORMATIONAL, [deletion(peer.espSpi)]));
    expect(peer.open(peer.take())).toEqual([deletion(child.inboundSpi)]);
    peer.send(peer.respond(request, peer.ikeSa(SPI)));
    expect(pair.status(subject).ikeSas.at(-1)).toMatchObject({ state: 'established', children: [] });
  });

  it('and the peer deletes it, it is gone, and our rekey with it (RFC 7296 §2.25.2)', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    peer.send(peer.request(INFORMATIONAL, [{ kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] }]));
    expect(peer.open(peer.take())).toEqual([]);
    peer.send(peer.respond(request, peer.ikeSa(SPI)));
    expect(pair.status(subject).ikeSas).toEqual([]);
    expect(pair.outbound(subject)).toEqual([]);
  });

  it('a peer that has no time is asked again after some seconds, for minutes, then a new IKE SA is made', () => {
    const peer = calling({ initiation: 'start' });
    const auth = peer.accept();
    peer.send(peer.respond(auth, [...peer.proof(), ...peer.child()]));
    const { pair, subject } = peer;
    pair.fire();
    rekey(pair, subject);
    const begun = pair.at;
    const asked: number[] = [];
    let next = peer.take();
    while (headline(next)[0] !== ExchangeType.IKE_SA_INIT && pair.at < begun + 600_000) {
      const busy = headline(next)[0] === CREATE_CHILD_SA;
      if (busy) asked.push(pair.at);
      peer.send(peer.respond(next, busy ? [notify(NotifyType.TEMPORARY_FAILURE)] : []));
      while (peer.waiting === 0) {
        pair.at += 500;
        pair.fire();
      }
      next = peer.take();
    }
    const waits = asked.slice(1).map((time, index) => time - present(asked[index]));
    expect(Math.min(...waits)).toBeGreaterThan(3_000);
    expect(Math.max(...waits)).toBeLessThan(10_000);
    expect(pair.at - begun).toBeGreaterThan(120_000);
    expect(pair.at - begun).toBeLessThan(300_000);
    expect(subject.facts).toContainEqual(expect.objectContaining({ kind: 'rekeyFailed', child: '' }));
    expect(pair.status(subject).ikeSas[0]).toMatchObject({ number: 1, state: 'established', children: [{}] });
  });

  it.each([
    ['NO_ADDITIONAL_SAS', NotifyType.NO_ADDITIONAL_SAS],
    ['NO_PROPOSAL_CHOSEN', NotifyType.NO_PROPOSAL_CHOSEN],
  ] as const)('a peer that refuses with %s gets a new IKE SA, the old one in use until then', (_, type) => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    peer.send(peer.respond(request, [notify(type)]));
    pair.at += 3_000;
    pair.fire();
    expect(headline(peer.take())[0]).toBe(ExchangeType.IKE_SA_INIT);
    expect(pair.outbound(subject)).toHaveLength(1);
    expect(texts(subject, 'negotiationFailed').at(-1)).toContain('the rekey of the IKE SA');
  });

  it('a peer that wants another group of ours gets it, once (RFC 7296 §1.3)', () => {
    const proposals = [proposal('aes256gcm16', 'prfsha384', 'x25519', 'ecp256')];
    const peer = waiting({ proposals }).establish();
    const { pair, subject } = peer;
    rekey(pair, subject);
    const first = peer.take();
    const wants = notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 19));
    peer.send(peer.respond(first, [wants]));
    const second = peer.take();
    expect(peer.open(second).find(({ kind }) => kind === 'ke')).toMatchObject({ group: 19 });
    peer.send(peer.respond(second, [wants]));
    pair.at += 3_000;
    pair.fire();
    expect(headline(peer.take())[0]).toBe(ExchangeType.IKE_SA_INIT);
  });

  it('an answer with what we did not offer ends the IKE SA, and says so', () => {
    const { peer, request } = rekeyAsked();
    const { pair, subject } = peer;
    const [sa, ...rest] = peer.ikeSa(SPI);
    const { proposals } = sa as Extract<Payload, { kind: 'sa' }>;
    const other = proposals.map((each) => ({ ...each, number: 7 }));
    peer.send(peer.respond(request, [{ kind: 'sa', proposals: other }, ...rest]));
    expect(peer.open(peer.take())).toMatchObject([{ kind: 'delete', protocol: Protocol.IKE }]);
    expect(texts(subject, 'negotiationFailed').at(-1)).toContain('what we did not offer');
    expect(pair.outbound(subject)).toEqual([]);
  });
});

/** Both have asked for a rekey of the IKE SA; the scripted peer with a nonce that is the lowest of all, or the highest. */
function crossed(peersNonce: number): {
  readonly peer: ScriptedPeer;
  readonly request: Uint8Array;
  readonly next: ScriptedPeer;
} {
  const { peer, request } = rekeyAsked();
  peer.nonce = new Uint8Array(32).fill(peersNonce);
  const answer = ask(peer, ...peer.ikeSa(SPI));
  expect(notifyTypes(answer)).toEqual([]);
  return { peer, request, next: peer.successor('initiator', SPI, answer) };
}

const OURS = spiFromBytes(Uint8Array.of(0xcc, 1, 2, 3, 4, 5, 6, 7));

describe('rekeys of one IKE SA that cross', () => {
  it('leave the one without the lowest nonce; who began the other one deletes it (RFC 7296 §2.8.2)', () => {
    // The lowest of all nonces is in the peer's exchange: ours stays.
    const { peer, request } = crossed(0);
    const { pair, subject } = peer;
    expect(pair.status(subject).ikeSas.map(({ children }) => children.length)).toEqual([1, 0]);
    peer.nonce = new Uint8Array(32).fill(0xff);
    peer.send(peer.respond(request, peer.ikeSa(OURS)));
    expect(peer.open(peer.take())).toMatchObject([{ kind: 'delete', protocol: Protocol.IKE }]);
    expect(pair.status(subject).ikeSas).toMatchObject([
      { number: 1, state: 'deleting' },
      { number: 2, state: 'rekeyed', role: 'responder' },
      { number: 3, state: 'established', role: 'initiator', responderSpi: OURS, children: [{ name: 'hosts' }] },
    ]);
    expect(pair.outbound(subject)).toHaveLength(1);
  });

  it('leave the peer’s where the lowest nonce is in ours: we delete ours, the peer deletes the old one', () => {
    const { peer, request } = crossed(0xff);
    const { pair, subject } = peer;
    peer.nonce = new Uint8Array(32).fill(0);
    const own = peer.ikeSa(OURS);
    const ours = peer.successor('responder', OURS, peer.open(request));
    peer.send(peer.respond(request, own));
    const deleted = peer.take();
    expect(ours.open(deleted)).toMatchObject([{ kind: 'delete', protocol: Protocol.IKE }]);
    expect(pair.status(subject).ikeSas).toMatchObject([
      { number: 1, state: 'rekeyed' },
      { number: 2, state: 'established', role: 'responder', initiatorSpi: SPI, children: [{ name: 'hosts' }] },
      { number: 3, state: 'deleting' },
    ]);
    expect(pair.outbound(subject)).toHaveLength(1);
  });

  it('a peer that has not noticed deletes the old one: its rekey stays, ours is forgotten (RFC 7296 §2.8.2)', () => {
    const { peer, request, next } = crossed(0);
    const { pair, subject } = peer;
    peer.send(peer.request(INFORMATIONAL, [{ kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] }]));
    expect(peer.open(peer.take())).toEqual([]);
    expect(pair.status(subject).ikeSas).toMatchObject([{ number: 2, state: 'established', children: [{}] }]);
    peer.send(peer.respond(request, peer.ikeSa(OURS)));
    expect(pair.status(subject).ikeSas).toHaveLength(1);
    next.espSpi = 0x0d0d0d0d;
    next.send(next.request(CREATE_CHILD_SA, [rekeySa(peer.espSpi), ...next.child(), NONCE]));
    expect(notifyTypes(next.open(next.take()))).toEqual([NotifyType.USE_TRANSPORT_MODE]);
  });

  it.each([
    ['TEMPORARY_FAILURE', notify(NotifyType.TEMPORARY_FAILURE)],
    ['INVALID_KE_PAYLOAD', notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 19))],
    ['NO_PROPOSAL_CHOSEN', notify(NotifyType.NO_PROPOSAL_CHOSEN)],
  ] as const)('the peer’s stays where ours is refused with %s', (_, refusal) => {
    const { peer, request } = crossed(0);
    const { pair, subject } = peer;
    peer.send(peer.respond(request, [refusal]));
    expect(pair.status(subject).ikeSas).toMatchObject([
      { number: 1, state: 'rekeyed' },
      { number: 2, state: 'established', children: [{ name: 'hosts' }] },
    ]);
    expect(texts(subject, 'negotiationFailed')).toEqual([]);
  });

  it('the one that lost is deleted in time, though the peer has forgotten that it had asked for it', () => {
    const { peer, request } = crossed(0);
    const { pair, subject } = peer;
    peer.nonce = new Uint8Array(32).fill(0xff);
    peer.send(peer.respond(request, peer.ikeSa(OURS)));
    pair.advanceLosing(16_000);
    expect(pair.status(subject).ikeSas.find(({ number }) => number === 2)?.state).toBe('deleting');
    pair.advanceLosing(10_000);
    expect(pair.status(subject).ikeSas.map(({ number }) => number)).toEqual([3]);
  });

  it('what the peer does with Child SAs on its new one shows that this one stays', () => {
    const { peer, next } = crossed(0);
    const { pair, subject } = peer;
    next.send(next.request(INFORMATIONAL, []));
    next.take();
    expect(pair.status(subject).ikeSas.map(({ state }) => state)).toEqual(['established', 'established']);
    const child = present(pair.status(subject).ikeSas[0]?.children[0]);
    next.send(next.request(INFORMATIONAL, [deletion(peer.espSpi)]));
    expect(next.open(next.take())).toEqual([deletion(child.inboundSpi)]);
    expect(pair.status(subject).ikeSas).toMatchObject([{ state: 'rekeyed' }, { state: 'established', children: [] }]);
  });

  it('of both ends at once leave one IKE SA with the Child SA, the same at both, in any order of arrival', () => {
    for (let order = 0; order < 64; order += 1) {
      const pair = standing();
      rekey(pair, pair.left);
      rekey(pair, pair.right);
      for (let step = 0; step < 6; step += 1) {
        const from = (order >> step) % 2 === 0 ? pair.left : pair.right;
        const index = Math.max(
          0,
          pair.wire.findIndex((datagram) => datagram.from === from),
        );
        const [datagram] = pair.wire.splice(index, 1);
        if (datagram !== undefined) pair.deliverCopy(datagram);
        pair.fire();
        expect(pair.encrypts(), `order ${order}, step ${step}`).toBe(true);
      }
      pair.settle().advance(40_000);
      expect(pair.encrypts()).toBe(true);
      expectOneOfEach(pair);
      expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
    }
  });
});
