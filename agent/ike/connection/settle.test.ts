import { describe, expect, it } from 'vitest';

import { spiFromBytes } from '../../wire/header.ts';
import { encodeMessage } from '../../wire/message.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { fraction } from '../message/window.ts';
import {
  address,
  childConfig,
  connectionConfig,
  type Datagram,
  Pair,
  present,
  type Side,
  seededRandom,
} from '../testing/pair.ts';
import { calling, headline, notifyTypes, parsed, ScriptedPeer } from '../testing/scripted-peer.ts';
import { survey } from '../testing/traffic.ts';
import type { ConnectionConfig } from '../types.ts';

/** SPIs of the established IKE SAs of a side, in the order of their numbers. */
function established(pair: Pair, side: Side): readonly string[] {
  return pair
    .status(side)
    .ikeSas.filter(({ state }) => state === 'established')
    .map(({ initiatorSpi }) => initiatorSpi);
}

/** What somebody says, without proof, who knows nothing of the IKE SA of a request. */
function disowning(request: Uint8Array): Uint8Array {
  const { header } = parsed(request);
  const flags = { initiator: !header.flags.initiator, response: true };
  return encodeMessage({ ...header, flags }, [notify(NotifyType.INVALID_IKE_SPI)]);
}

/**
 * Lets both sides begin at once and delivers the first `steps.length` datagrams in the given order of senders; each
 * sender's own datagrams keep theirs.
 */
function crossing(
  steps: readonly ('left' | 'right')[],
  seconds = 0,
  seed = 11,
  changes: Partial<ConnectionConfig> = {},
): Pair {
  const pair = new Pair();
  pair.restarted(pair.left, seed);
  pair.configure(changes, { ...changes, initiation: 'start' });
  pair.fire();
  for (const sender of steps) {
    const index = pair.wire.findIndex(({ from }) => from.name === sender);
    if (index < 0) continue;
    pair.at += seconds * 100;
    const [datagram] = pair.wire.splice(index, 1);
    if (datagram !== undefined) pair.deliverCopy(datagram);
  }
  return pair;
}

/** Initiator SPIs of established IKE SAs that a side has ended because the peer had another one. */
function duplicates(side: Side): readonly string[] {
  const spis = new Map<number, string>();
  return side.facts.flatMap((fact) => {
    if (fact.kind === 'ikeSaEstablished') spis.set(fact.ikeSa, fact.initiatorSpi);
    const spi = fact.kind === 'ikeSaClosed' && fact.reason === 'duplicate' ? spis.get(fact.ikeSa) : undefined;
    return spi === undefined ? [] : [spi];
  });
}

/** A Child SA between the hosts, and one between networks behind them. */
function twoChildren(local: string, remote: string): Pick<ConnectionConfig, 'children'> {
  const net = (text: string) => ({
    prefix: { address: address(text), length: 24 },
    protocol: 0,
    fromPort: 0,
    toPort: 65_535,
  });
  const pods = {
    name: 'pods',
    mode: 'tunnel',
    reqid: 0x6000_0002,
    local: [net(local)],
    remote: [net(remote)],
  } as const;
  return { children: [childConfig(), childConfig(pods)] };
}

function isResponse({ bytes }: Datagram): boolean {
  return headline(bytes)[2] === 'response';
}

/** The same peer, which is no agent, on an IKE SA that we have begun and on one that it has begun meanwhile. */
function overlapped(): readonly ScriptedPeer[] {
  const ours = calling();
  const request = ours.accept();
  const theirs = new ScriptedPeer(ours.pair);
  theirs.localSpi = spiFromBytes(Uint8Array.of(0xdd, 1, 2, 3, 4, 5, 6, 7));
  theirs.espSpi = 0x2222;
  theirs.authenticate();
  ours.send(ours.respond(request, [...ours.proof(), ...ours.child()]));
  expect(established(ours.pair, ours.subject)).toHaveLength(2);
  return [ours, theirs];
}

/**
 * Which of the IKE SAs the subject deletes while the peer answers on all of them and sends on one, of which the kernel is
 * asked every two seconds.
 */
function deletedWithin(
  ms: number,
  peers: readonly ScriptedPeer[],
  sending: ScriptedPeer | undefined,
): readonly ScriptedPeer[] {
  const { pair, subject } = present(peers[0]);
  const deleted: ScriptedPeer[] = [];
  for (let passed = 0; passed < ms; passed += 2_000) {
    pair.at += 2_000;
    pair.fire();
    if (sending !== undefined) receiveOn(sending);
    survey(pair, subject);
    for (const { bytes } of pair.wire.splice(0)) {
      const { initiatorSpi, responderSpi } = parsed(bytes).header;
      const peer = present(peers.find(({ localSpi }) => [initiatorSpi, responderSpi].includes(localSpi)));
      if (peer.open(bytes).some(({ kind }) => kind === 'delete')) deleted.push(peer);
      peer.send(peer.respond(bytes, []));
    }
  }
  return deleted;
}

/** The subject's kernel has received packets of the peer on the pair of that IKE SA. */
function receiveOn({ pair, subject, espSpi }: ScriptedPeer): void {
  const children = pair.status(subject).ikeSas.flatMap((sa) => sa.children);
  const { inboundSpi: spi } = present(children.find(({ outboundSpi }) => outboundSpi === espSpi));
  present(subject.kernel.kernel.states.find({ destination: subject.address, spi })).packets += 4;
}

/** All orders of `left` deliveries from the left and `right` from the right. */
function orders(left: number, right: number): readonly (readonly ('left' | 'right')[])[] {
  if (left === 0) return [Array<'right'>(right).fill('right')];
  if (right === 0) return [Array<'left'>(left).fill('left')];
  return [
    ...orders(left - 1, right).map((rest) => ['left', ...rest] as const),
    ...orders(left, right - 1).map((rest) => ['right', ...rest] as const),
  ];
}

/** Initiator SPI of the IKE SA in whose IKE_SA_INIT the lowest nonce stands. */
function lowestNonceOf(pair: Pair): string {
  const nonces = pair.sent
    .filter(({ bytes }) => headline(bytes)[0] === ExchangeType.IKE_SA_INIT)
    .map(({ bytes }) => {
      const { header, payloads } = parsed(bytes);
      return { spi: header.initiatorSpi, nonce: present(payloads.find((payload) => payload.kind === 'nonce')).data };
    });
  return present(nonces.sort((one, other) => (isLower(one.nonce, other.nonce) ? -1 : 1))[0]).spi;
}

function isLower(left: Uint8Array, right: Uint8Array): boolean {
  const index = left.findIndex((byte, position) => byte !== right[position]);
  return (left[index] ?? 0) < (right[index] ?? 0);
}

describe('crossing initial exchanges', () => {
  it.each(orders(4, 4).map((order) => [order.map((name) => name[0]).join(''), order] as const))(
    'in the order %s both ends keep one IKE SA, the same one, and never lose a packet on the way',
    (_, order) => {
      const pair = crossing(order, 1);
      let working = false;
      for (let step = 0; step < 40; step += 1) {
        pair.advance(500);
        working ||= pair.encrypts();
        expect(pair.encrypts(), `after ${step} steps`).toBe(working);
      }
      expect(working).toBe(true);
      expect(established(pair, pair.left)).toHaveLength(1);
      expect(established(pair, pair.right)).toEqual(established(pair, pair.left));
      pair.advance(60_000);
      expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
      expect(established(pair, pair.left)).toHaveLength(1);
    },
  );

  it.each(Array.from({ length: 40 }, (_, index) => index + 340))(
    'with two Children that come up one after the other none is lost again, whatever arrives first (order %i)',
    (seed) => {
      const pair = new Pair();
      pair.restarted(pair.left, seed);
      pair.configure(twoChildren('10.1.0.0', '10.2.0.0'), {
        ...twoChildren('10.2.0.0', '10.1.0.0'),
        initiation: 'start',
      });
      const random = seededRandom(seed * 7);
      const pods = { source: address('10.1.0.1'), destination: address('10.2.0.1') };
      const working = { hosts: false, pods: false };
      const underWay: { readonly datagram: Datagram; readonly arrivesAt: number }[] = [];
      for (let step = 0; step < 200; step += 1) {
        pair.at += 20;
        pair.fire();
        for (const datagram of pair.wire.splice(0))
          underWay.push({ datagram, arrivesAt: pair.at + 900 * fraction(random) });
        for (const each of underWay.filter(({ arrivesAt }) => arrivesAt <= pair.at)) {
          underWay.splice(underWay.indexOf(each), 1);
          pair.deliverCopy(each.datagram);
        }
        working.hosts ||= pair.encrypts();
        working.pods ||= pair.encrypts(pods);
        expect({ hosts: pair.encrypts(), pods: pair.encrypts(pods) }, `step ${step}`).toEqual(working);
      }
      expect(working).toEqual({ hosts: true, pods: true });
    },
  );

  it('of two that overlapped the one with the lower nonce stays, whoever began it', () => {
    const winners = new Set<string>();
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      for (const order of orders(2, 2)) {
        const pair = crossing([...order, 'left', 'right', 'left', 'right'], 1, seed);
        if (established(pair, pair.left).length < 2 || established(pair, pair.right).length < 2) continue;
        const lowest = lowestNonceOf(pair);
        pair.advance(20_000);
        for (const side of [pair.left, pair.right]) {
          expect(established(pair, side), `nonces ${seed}, ${order.join()}`).toEqual([lowest]);
          const [only] = pair.status(side).ikeSas.flatMap(({ children }) => children);
          const out = pair.policies(side).filter(({ direction }) => direction === 'out');
          expect(out.map(({ template }) => template?.spi)).toEqual([present(only).outboundSpi]);
        }
        const begun = pair.sent.filter(({ bytes }) => headline(bytes)[0] === ExchangeType.CREATE_CHILD_SA);
        expect(begun).toEqual([]);
        winners.add(pair.status(pair.left).ikeSas[0]?.role ?? '');
      }
    }
    expect(winners).toEqual(new Set(['initiator', 'responder']));
  });

  it('both ends give up the same one of two that both have, whatever is late, lost or overtaken', () => {
    let settled = 0;
    for (let seed = 1_201; seed <= 1_400; seed += 1) {
      const random = seededRandom(seed * 7 + 1);
      const pair = crossing([], 0, seed);
      const underWay: { readonly datagram: Datagram; readonly arrivesAt: number }[] = [];
      for (let step = 0; step < 900; step += 1) {
        for (const datagram of pair.wire.splice(0)) {
          if (step < 200 && fraction(random) < 0.25) continue;
          underWay.push({ datagram, arrivesAt: pair.at + (fraction(random) < 0.5 ? 3_000 : 100) * fraction(random) });
        }
        pair.at += 50;
        pair.fire();
        for (const each of underWay.filter(({ arrivesAt }) => arrivesAt <= pair.at)) {
          underWay.splice(underWay.indexOf(each), 1);
          pair.deliverCopy(each.datagram);
        }
      }
      const ended = new Set([pair.left, pair.right].flatMap(duplicates));
      expect(ended.size, `seed ${seed}`).toBeLessThan(2);
      expect(established(pair, pair.left), `seed ${seed}`).toHaveLength(1);
      expect(established(pair, pair.right), `seed ${seed}`).toEqual(established(pair, pair.left));
      settled += ended.size;
    }
    expect(settled).toBeGreaterThan(50);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'begins nothing again that has been settled, and packets go to the pair that stays (nonces %i)',
    (seed) => {
      const pair = crossing(
        [...'lrlrlrlr'].map((letter) => (letter === 'l' ? 'left' : 'right')),
        0,
        seed,
      );
      pair.advance(20_000);
      const begun = pair.sent.filter(({ bytes }) => {
        const [exchange, , kind] = headline(bytes);
        const begins = exchange === ExchangeType.IKE_SA_INIT || exchange === ExchangeType.CREATE_CHILD_SA;
        return begins && kind === 'request';
      });
      expect(begun).toHaveLength(2);
      for (const side of [pair.left, pair.right]) {
        const [only] = pair.status(side).ikeSas.flatMap(({ children }) => children);
        const out = pair.policies(side).filter(({ direction }) => direction === 'out');
        expect(out.map(({ template }) => template?.spi)).toEqual([present(only).outboundSpi]);
      }
    },
  );

  it.each([
    ['we began', 0],
    ['it began', 1],
  ] as const)(
    'of two that overlapped a peer of another make keeps the one it sends on, where %s that: what it deletes leaves it nothing to send on',
    (_, index) => {
      const both = overlapped();
      const inUse = present(both[index]);
      const deleted = deletedWithin(30_000, both, inUse);
      expect(deleted).toEqual(both.filter((peer) => peer !== inUse));
      expect(established(inUse.pair, inUse.subject)).toHaveLength(1);
    },
  );

  it('of two that overlapped both stay as long as a peer of another make sends on neither: it may be either that it has in use', () => {
    const both = overlapped();
    expect(deletedWithin(120_000, both, undefined)).toEqual([]);
    const [, theirs] = both;
    expect(deletedWithin(30_000, both, theirs)).toHaveLength(1);
  });

  it('a peer that has stopped answering is dead on both at once: traffic does not go back to one it may have deleted', () => {
    const liveness = { intervalMs: 5_000, timeoutMs: 8_000 };
    const crossed = orders(4, 4).filter((order) => {
      const pair = crossing(order);
      return established(pair, pair.left).length === 2;
    });
    expect(crossed.length).toBeGreaterThan(0);
    for (const order of crossed) {
      const pair = crossing(order, 0, 11, { liveness });
      const counts = new Set<number>();
      for (let step = 0; step < 300; step += 1) {
        pair.advanceLosing(100);
        counts.add(established(pair, pair.left).length);
      }
      expect([...counts]).toEqual([2, 0]);
    }
  });

  it('the side that takes over waits its time and does nothing if the other one has begun', () => {
    const pair = new Pair().configure({}, { initiation: 'takeover' }).settle();
    pair.advance(30_000);
    expect(pair.right.facts.filter((fact) => fact.kind === 'ikeSaEstablished')).toMatchObject([{ role: 'responder' }]);
  });

  it('and begins where the other one cannot', () => {
    const pair = new Pair().configure({ initiation: 'respond' }, { initiation: 'takeover' }).settle();
    expect(pair.wire).toEqual([]);
    pair.advance(9_000);
    expect(pair.encrypts()).toBe(false);
    pair.advance(6_000);
    expect(pair.encrypts()).toBe(true);
  });

  it('traffic does not make the side that takes over begin sooner', () => {
    const pair = new Pair().configure({ initiation: 'respond' }, { initiation: 'takeover' }).settle();
    expect(pair.packet(pair.right)).toBe('blocked');
    pair.advance(5_000);
    expect(pair.sent).toEqual([]);
  });
});

describe('a peer that has lost its memory', () => {
  /** The right side restarts: its agent knows nothing, its kernel has everything. */
  function restarted(left: Partial<ConnectionConfig> = {}, right: Partial<ConnectionConfig> = {}): Pair {
    const pair = new Pair()
      .configure(left, { ...right, initiation: 'takeover' })
      .settle()
      .advance(60_000);
    const dumped = pair.right.kernel.dump();
    pair.restarted(pair.right, 99);
    const connections = [connectionConfig(pair.right, pair.left, right)];
    if (dumped.ok) pair.command(pair.right, { kind: 'start', connections, snapshot: dumped.value });
    return pair;
  }

  it('says INITIAL_CONTACT: what was there goes without a Delete, and no packet is lost meanwhile (RFC 7296 §2.4)', () => {
    const pair = restarted();
    const old = established(pair, pair.left);
    for (let step = 0; step < 200; step += 1) {
      if (pair.wire.length > 0) pair.deliver();
      pair.advance(20);
      expect(pair.encrypts(), `step ${step}`).toBe(true);
    }
    expect(established(pair, pair.left)).toHaveLength(1);
    expect(established(pair, pair.left)).not.toEqual(old);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'ikeSaClosed', reason: 'replaced' }));
    pair.advance(20_000);
    expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
  });

  it('keeps the old SAs until the new ones are in use', () => {
    const pair = restarted();
    const before = present(pair.outbound(pair.left)[0]).id.spi;
    const pin = () => present(pair.policies(pair.left).find(({ direction }) => direction === 'out')).template?.spi;
    const spis = () => pair.outbound(pair.left).map(({ id }) => id.spi);
    const pins = new Set<number | undefined>();
    for (let step = 0; step < 20; step += 1) {
      if (pair.wire.length > 0) pair.deliver();
      pair.fire();
      expect(spis()).toContain(pin());
      pins.add(pin());
    }
    expect(pins.size).toBe(2);
    pair.advance(1_000);
    expect(spis()).toEqual([pin()]);
    expect(spis()).not.toContain(before);
  });

  it('keeps the old SAs of two IKE SAs too: what else it has lost is not what takes their place', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    const old = present(pair.status(pair.left).ikeSas[0]).initiatorSpi;
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    for (let index = 0; index < 20; index += 1) {
      pair.fire();
      const datagram = pair.wire.shift();
      if (datagram !== undefined && parsed(datagram.bytes).header.initiatorSpi !== old) pair.deliverCopy(datagram);
    }
    expect(pair.encrypts()).toBe(true);
    const dumped = pair.right.kernel.dump();
    pair.restarted(pair.right, 99);
    const connections = [connectionConfig(pair.right, pair.left)];
    if (dumped.ok) pair.command(pair.right, { kind: 'start', connections, snapshot: dumped.value });
    for (let index = 0; pair.left.facts.filter(({ kind }) => kind === 'ikeSaEstablished').length < 3; index += 1) {
      if (pair.wire.length > 0) pair.deliver();
      else pair.at += 100;
      pair.fire();
      expect(index).toBeLessThan(200);
    }
    for (let step = 0; step < 10; step += 1) {
      expect(pair.packet(pair.left)).toBe('encrypted');
      pair.advanceLosing(1_000);
    }
  });

  it('keeps nothing of them once the new ones are in use: a Child that is ended then does not bring them back', () => {
    const pair = restarted();
    const before = present(pair.outbound(pair.left)[0]).id.spi;
    pair.settle();
    pair.command(pair.right, { kind: 'terminateChild', name: 'left', child: 'hosts' });
    pair.settle();
    expect(pair.outbound(pair.left).map(({ id }) => id.spi)).not.toContain(before);
    expect(pair.advance(5_000).encrypts()).toBe(true);
  });

  it('and whose kernel refuses a new pair is sent to on the old one, which its kernel has, until it has another', () => {
    const pair = restarted(twoChildren('10.1.0.0', '10.2.0.0'), twoChildren('10.2.0.0', '10.1.0.0'));
    let refused = false;
    pair.right.refuse = ({ kind }) => {
      if (kind !== 'addSa' || refused) return undefined;
      refused = true;
      return 'no memory';
    };
    for (let step = 0; step < 300; step += 1) {
      // Its answers overtake the Delete, and seem to show that it has the pair.
      pair.wire.sort((one, other) => Number(isResponse(other)) - Number(isResponse(one)));
      if (pair.wire.length > 0) pair.deliver();
      pair.fire();
      if (pair.wire.length === 0) pair.at += 20;
      if (pair.left.facts.some(({ kind }) => kind === 'childSaClosed')) {
        expect(pair.packet(pair.left), `step ${step}`).toBe('encrypted');
      }
    }
    expect(refused).toBe(true);
    expect(pair.encrypts()).toBe(true);
  });

  it('is not asked for a minute for what it had answered before, once it has called itself', () => {
    const peer = calling();
    const asked = peer.accept();
    const { pair, subject } = peer;
    const unknown = peer.unprotected(ExchangeType.IKE_AUTH, 1, true, [notify(NotifyType.INVALID_IKE_SPI)]);
    peer.send(unknown);
    expect(pair.status(subject).ikeSas).toMatchObject([{ state: 'connecting' }]);
    const next = new ScriptedPeer(pair);
    next.localSpi = spiFromBytes(Uint8Array.of(0xdd, 1, 2, 3, 4, 5, 6, 7));
    pair.at += 1_000;
    next.establish();
    peer.send(unknown);
    expect(pair.status(subject).ikeSas).toMatchObject([{ state: 'established', initiatorSpi: next.localSpi }]);
    pair.wire.length = 0;
    pair.advanceLosing(5_000);
    expect(pair.wire.map(({ bytes }) => bytes)).not.toContainEqual(asked);
  });

  it.each([
    ['goes soon where the peer answers on the IKE SA that stands', true],
    ['stays for as long as the peer may believe in it where it answers nothing', false],
  ] as const)('what it is said, without proof, to have lost and does not answer about %s', (_, answers) => {
    const pair = new Pair().configure().settle().advance(60_000);
    const [old] = pair.status(pair.left).ikeSas;
    const before = pair.sas(pair.left).find(({ id }) => id.destination === pair.left.address);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    let disowned = 0;
    for (let step = 0; step < 600; step += 1) {
      pair.fire();
      for (const datagram of pair.wire.splice(0)) {
        const isOld = datagram.from === pair.left && parsed(datagram.bytes).header.initiatorSpi === old?.initiatorSpi;
        // The Delete of the old one never arrives: somebody says that there is no such IKE SA.
        if (isOld) pair.inject(pair.left, disowning(datagram.bytes));
        else if (answers || disowned === 0) pair.deliverCopy(datagram);
        if (isOld) disowned += 1;
      }
      pair.at += 50;
    }
    expect(disowned).toBeGreaterThan(3);
    expect(pair.sas(pair.left).some(({ id }) => id.spi === present(before).id.spi)).toBe(!answers);
  });

  it('is sent to on what its kernel has had for long, not on what it has just been granted, where the pair in use ends', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    pair.wire.length = 0;
    const [inUse] = pair.status(pair.left).ikeSas.at(-1)?.children ?? [];
    pair.restarted(pair.right, 33);
    pair.configureRight({ initiation: 'start' });
    for (let step = 0; established(pair, pair.left).length < 3 && step < 10; step += 1) {
      pair.fire();
      for (const datagram of pair.wire.splice(0)) pair.deliverCopy(datagram);
    }
    // The grant is lost.
    pair.wire.length = 0;
    const id = { destination: pair.right.address, spi: present(inUse).outboundSpi };
    pair.left.kernel.kernel.deleteSa(id);
    pair.handle(pair.left, { kind: 'kernel', event: { kind: 'expire', id, reqid: 0x6000_0001, hard: true } });
    expect(pair.packet(pair.left)).toBe('encrypted');
  });

  it('an INITIAL_CONTACT is said once, not at every new IKE SA', () => {
    const pair = new Pair().configure({ reauthenticationMs: 100_000 }).settle();
    pair.advance(101_000);
    expect(pair.left.facts.filter((fact) => fact.kind === 'ikeSaEstablished')).toHaveLength(2);
    expect(pair.right.facts.filter((fact) => fact.kind === 'ikeSaClosed')).toMatchObject([{ reason: 'deletedByPeer' }]);
  });

  it('does not hear INITIAL_CONTACT while it may have granted what we asked for: it would drop that, and we would use it', () => {
    const peer = calling();
    const request = peer.accept();
    const other = new ScriptedPeer(peer.pair);
    other.localSpi = '2222222222222222' as never;
    other.espSpi = 0x2222;
    expect(notifyTypes(other.authenticate())).not.toContain(NotifyType.INITIAL_CONTACT);
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child()]));
    expect(established(peer.pair, peer.subject)).toHaveLength(2);
  });

  it('a rebooted peer, whose kernel is empty too, is back as soon as it calls', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    pair.restarted(pair.right, 99);
    for (const { id } of pair.sas(pair.right)) pair.right.kernel.execute({ kind: 'deleteSa', id });
    pair.configureRight({ initiation: 'start' });
    pair.settle().advance(3_000);
    expect(pair.encrypts()).toBe(true);
  });
});
