import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ExchangeType, NotifyType } from '../wire/registry.ts';
import { notify } from './message/notify.ts';
import { deliverMisfit, deliverSpoiled } from './testing/disturbing.ts';
import { type Datagram, Pair, present, type Side } from './testing/pair.ts';
import { calling, headline, type ScriptedPeer, waiting } from './testing/scripted-peer.ts';

/** What may not change when nobody has proved anything. */
function picture(pair: Pair, side: Side) {
  return JSON.stringify([side.endpoint.status(pair.at), pair.sas(side), pair.policies(side)]);
}

/** A session with everything in it: initial exchanges, liveness, deletion of the Child SA, a new one, the end. */
function session(steps: number): Pair {
  const pair = new Pair({ limits: { integrityFailuresHalfOpen: 1_000_000 } });
  pair.configure({ initiation: 'onDemand' });
  const commands = [
    () => pair.command(pair.left, { kind: 'initiate', name: 'right' }),
    () => pair.command(pair.right, { kind: 'checkLiveness', name: 'left' }),
    () => pair.command(pair.left, { kind: 'terminateChild', name: 'right', child: 'hosts' }),
    () => pair.command(pair.left, { kind: 'initiate', name: 'right' }),
    () => pair.command(pair.left, { kind: 'terminate', name: 'right' }),
  ];
  for (let step = 0; step < steps; step += 1) {
    if (pair.wire.length === 0) {
      const next = commands.shift();
      if (next === undefined) break;
      next();
      pair.fire();
    }
    if (step < steps - 1 && pair.wire.length > 0) pair.deliver();
  }
  return pair;
}

/** All datagrams of a whole session. */
function recording(): readonly Datagram[] {
  return session(100).sent;
}

const LENGTH = recording().length;

describe('a whole session', () => {
  it('is what the tests below disturb: every exchange there is', () => {
    const seen = recording().map(({ bytes }) => headline(bytes)[0]);
    expect(LENGTH).toBe(12);
    expect(new Set(seen)).toEqual(
      new Set([
        ExchangeType.IKE_SA_INIT,
        ExchangeType.IKE_AUTH,
        ExchangeType.INFORMATIONAL,
        ExchangeType.CREATE_CHILD_SA,
      ]),
    );
  });

  it.each(Array.from({ length: LENGTH }, (_, index) => index + 1))(
    'no corrupted, cut or lengthened copy of message %i changes anything at its receiver',
    (step) => {
      const pair = session(step);
      const datagram = present(pair.wire[0]);
      const receiver = pair.other(datagram.from);
      const before = picture(pair, receiver);
      // IKE_SA_INIT has nothing that could prove anything: of it, only what is no message at all must be without effect.
      const proved = headline(datagram.bytes)[0] !== ExchangeType.IKE_SA_INIT;
      if (proved) deliverSpoiled(pair, datagram);
      else deliverMisfit(pair, datagram);
      expect(picture(pair, receiver)).toBe(before);
      pair.wire.splice(1);
      pair.settle();
      expect(pair.status(receiver).lastFailure).toBeUndefined();
      const there = step <= 4 || (step > 8 && step <= 10);
      expect(pair.encrypts()).toBe(there || step <= 6);
    },
  );

  it('replaying any earlier message in any later state changes nothing (RFC 7296 §2.2)', () => {
    const whole = recording();
    for (let step = 2; step <= LENGTH; step += 1) {
      const pair = session(step);
      for (const side of [pair.left, pair.right]) {
        const before = pair.status(side);
        for (const old of whole.slice(0, step - 1)) {
          if (pair.other(old.from) === side) pair.deliverCopy(old);
        }
        expect({ ...pair.status(side), ikeSas: pair.status(side).ikeSas }, `message ${step}`).toEqual(before);
      }
    }
  });

  it('every message that is repeated once more on the way leads to the same end', () => {
    const pair = new Pair().configure();
    pair.fire();
    for (let message = 0; message < 4; message += 1) {
      const datagram = pair.deliver();
      pair.deliverCopy(datagram);
    }
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.status(pair.right).ikeSas).toHaveLength(1);
    expect(pair.sas(pair.right)).toHaveLength(2);
  });

  it('our own messages sent back to us change nothing, even where somebody lets us talk to ourselves', () => {
    const pair = new Pair().configure();
    pair.fire();
    const reflect = (datagram: Datagram): void => {
      const { localAddress, localPort, remoteAddress, remotePort } = datagram.path;
      const path = { localAddress, localPort, remoteAddress, remotePort };
      pair.handle(datagram.from, { kind: 'datagram', path, bytes: datagram.bytes });
    };
    for (let message = 0; message < 4; message += 1) {
      const datagram = present(pair.wire[0]);
      const before = picture(pair, datagram.from);
      reflect(datagram);
      expect(picture(pair, datagram.from)).toBe(before);
      pair.wire.splice(1);
      pair.deliver();
    }
    expect(pair.encrypts()).toBe(true);
  });
});

describe('random bytes', () => {
  it('never throw and never change anything, on their own or behind a true header', () => {
    const pair = new Pair().configure().settle();
    const status = pair.status(pair.left).ikeSas[0];
    const spis = Uint8Array.from(`${status?.initiatorSpi}${status?.responderSpi}`.match(/../g) ?? [], (hex) =>
      Number.parseInt(hex, 16),
    );
    const before = picture(pair, pair.right);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.boolean(),
        fc.constantFrom(34, 35, 36, 37, 43, 240),
        (noise, header, type) => {
          const bytes = header ? Uint8Array.of(...spis, 46, 0x20, type, 0x08, 0, 0, 0, 2, 0, 0, 0, 0, ...noise) : noise;
          if (header) new DataView(bytes.buffer).setUint32(24, bytes.length);
          pair.inject(pair.right, bytes);
          pair.inject(pair.left, bytes);
        },
      ),
      { numRuns: 500, seed: 1 },
    );
    expect(picture(pair, pair.right)).toBe(before);
    pair.wire.length = 0;
    expect(pair.encrypts()).toBe(true);
  });
});

describe('flags, SPIs and message IDs', () => {
  function established(): ScriptedPeer {
    return waiting().establish();
  }

  it.each([
    ['the initiator flag of the other side (RFC 7296 §3.1)', 19, 0x00],
    ['the response flag', 19, 0x28],
    ['both', 19, 0x20],
    ['another responder SPI', 8, 0x99],
    ['another initiator SPI', 0, 0x99],
    ['a message ID that has been', 23, 0x01],
    ['a message ID beyond the next', 23, 0x03],
    ['a message ID far away', 20, 0xff],
    ['IKE_SA_INIT as its exchange', 18, ExchangeType.IKE_SA_INIT],
    ['IKE_AUTH as its exchange', 18, ExchangeType.IKE_AUTH],
    ['IKE_INTERMEDIATE as its exchange', 18, ExchangeType.IKE_INTERMEDIATE],
    ['an exchange that does not exist', 18, 250],
  ] as const)('a protected message with %s is not acted on', (_, offset, value) => {
    const peer = established();
    const bytes = peer.request(ExchangeType.INFORMATIONAL, []);
    bytes[offset] = value;
    const before = picture(peer.pair, peer.subject);
    peer.send(bytes);
    expect(picture(peer.pair, peer.subject)).toBe(before);
    peer.pair.wire.length = 0;
    peer.nextId = 2;
    peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
    expect(peer.open(peer.take())).toEqual([]);
  });

  it('a repeated request gets the stored response byte for byte, a different one under its ID nothing (RFC 7296 §2.1)', () => {
    const peer = waiting();
    const auth = peer.begin();
    peer.send(auth);
    const answer = peer.take();
    const before = picture(peer.pair, peer.subject);
    peer.send(auth);
    peer.send(auth);
    expect([peer.take(), peer.take()]).toEqual([answer, answer]);
    peer.send(peer.protected(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()]));
    expect(peer.waiting).toBe(0);
    expect(picture(peer.pair, peer.subject)).toBe(before);
  });

  it('a response is kept until the next request, then forgotten (window of one, RFC 7296 §2.3)', () => {
    const peer = established();
    const first = peer.request(ExchangeType.INFORMATIONAL, []);
    const second = peer.request(ExchangeType.INFORMATIONAL, []);
    peer.send(first);
    peer.send(second);
    peer.take();
    peer.take();
    peer.send(first);
    expect(peer.waiting).toBe(0);
    peer.send(second);
    expect(peer.waiting).toBe(1);
  });

  it('a request of the peer is answered while ours is open (RFC 7296 §2.3)', () => {
    const peer = established();
    peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    const ours = peer.take();
    peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
    expect(headline(peer.take())).toEqual([ExchangeType.INFORMATIONAL, 2, 'response']);
    peer.send(peer.respond(ours, []));
    expect(peer.subject.endpoint.status(peer.pair.at).connections[0]?.ikeSas[0]?.state).toBe('established');
  });

  it('a second request waits until the first has been answered (window of one, RFC 7296 §2.3)', () => {
    const peer = established();
    peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    peer.pair.command(peer.subject, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    expect(peer.waiting).toBe(1);
    const first = peer.take();
    expect(headline(first)[1]).toBe(0);
    peer.send(peer.respond(first, []));
    expect(headline(peer.take())[1]).toBe(1);
  });

  it('an answer that was given already is not taken again', () => {
    const peer = established();
    peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    const answer = peer.respond(peer.take(), [notify(NotifyType.INVALID_SYNTAX)]);
    const good = peer.protected(ExchangeType.INFORMATIONAL, 0, true, []);
    peer.send(good);
    peer.send(answer);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(1);
  });
});

describe('exchanges out of their order', () => {
  it.each([
    ['INFORMATIONAL', ExchangeType.INFORMATIONAL],
    ['CREATE_CHILD_SA', ExchangeType.CREATE_CHILD_SA],
    ['IKE_INTERMEDIATE', ExchangeType.IKE_INTERMEDIATE],
  ])('%s before IKE_AUTH gets no answer and establishes nothing (CVE-2014-2338, CVE-2019-12312)', (_, exchange) => {
    const peer = waiting();
    peer.begin();
    peer.send(peer.protected(exchange, 1, false, []));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.endpoint.status(peer.pair.at)).toMatchObject({ halfOpen: 1 });
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
    peer.nextId = 1;
    peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established' }]);
  });

  it('IKE_AUTH without protection is nothing', () => {
    const peer = waiting();
    peer.begin();
    peer.send(peer.unprotected(ExchangeType.IKE_AUTH, 1, false, [...peer.proof(), ...peer.child()]));
    expect(peer.waiting).toBe(0);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
  });

  it('requests of a responder that has not authenticated are not listened to', () => {
    const peer = calling();
    peer.accept();
    peer.send(peer.protected(ExchangeType.INFORMATIONAL, 0, false, []));
    expect(peer.waiting).toBe(0);
  });

  it('junk with the right SPIs does not end a half-open IKE SA at once, but does not go on for ever either', () => {
    const peer = waiting();
    const auth = peer.begin();
    const junk = auth.slice();
    junk[junk.length - 1] = (junk.at(-1) ?? 0) ^ 1;
    for (let copy = 0; copy < 7; copy += 1) peer.send(junk);
    peer.send(auth);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established' }]);

    const other = waiting();
    const late = other.begin();
    const more = late.slice();
    more[more.length - 1] = (more.at(-1) ?? 0) ^ 1;
    for (let copy = 0; copy < 8; copy += 1) other.send(more);
    expect(other.subject.endpoint.status(other.pair.at).halfOpen).toBe(0);
  });
});

describe('retransmission', () => {
  function waits(pair: Pair): readonly number[] {
    const times: number[] = [];
    let count = pair.sent.length;
    times.push(pair.at);
    for (let step = 0; step < 700; step += 1) {
      pair.advanceLosing(100);
      if (pair.sent.length > count) times.push(pair.at);
      count = pair.sent.length;
    }
    return times.slice(1).map((time, index) => time - (times[index] ?? 0));
  }

  it('repeats the same bytes, ever more rarely, with jitter, and gives up with a text that says what to check', () => {
    const pair = new Pair({ limits: { reconnectFirstMs: 100_000, reconnectCeilingMs: 100_000 } });
    pair.configureLeft();
    pair.fire();
    const intervals = waits(pair);
    expect(intervals.length).toBeGreaterThanOrEqual(5);
    for (const [index, interval] of intervals.entries()) {
      const base = Math.min(1_000 * 1.8 ** index, 60_000 / 8);
      expect(interval).toBeGreaterThanOrEqual(base - 100);
      expect(interval).toBeLessThanOrEqual(base * 1.1 + 200);
    }
    expect(new Set(pair.sent.map(({ bytes }) => bytes.join())).size).toBe(1);
    expect(pair.status(pair.left)).toMatchObject({ ikeSas: [] });
    expect(pair.status(pair.left).lastFailure?.text).toBe(
      'right (192.0.2.2) does not answer IKE_SA_INIT: is it running, and are UDP ports 500 and 4500 open between 192.0.2.1 and it?',
    );
  });

  it('two peers that lose their answers at the same time do not repeat in step', () => {
    const first = new Pair();
    const second = new Pair();
    first.configureLeft();
    second.configureRight({ initiation: 'start' });
    first.fire();
    second.fire();
    expect(first.left.endpoint.nextDeadline()).not.toBe(second.right.endpoint.nextDeadline());
  });

  it('an IKE_AUTH that nobody answers gives up with another text', () => {
    const peer = calling();
    peer.accept();
    peer.pair.advanceLosing(70_000);
    expect(peer.pair.status(peer.subject).lastFailure?.text).toBe(
      'right (192.0.2.2) does not answer IKE_AUTH: it answered the first message only: is UDP port 4500 open, and do large packets pass?',
    );
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });
});

describe('IKE_SA_INIT, which only IKE_AUTH protects', () => {
  it.each([0, 1])(
    'no byte of message %i can be changed on the way and still lead to an IKE SA (RFC 7296 §2.15)',
    (index) => {
      const length = present(recording()[index]).bytes.length;
      for (let offset = index; offset < length; offset += 3) {
        const pair = new Pair({ limits: { retransmitFirstMs: 100_000, retransmitCeilingMs: 100_000 } }).configure();
        pair.fire();
        if (index === 1) pair.deliver();
        const datagram = present(pair.wire.shift());
        const changed = datagram.bytes.slice();
        changed[offset] = (changed[offset] ?? 0) ^ 0x55;
        pair.deliverCopy(datagram, changed);
        pair.settle();
        expect([pair.outbound(pair.left), pair.outbound(pair.right)], `byte ${offset}`).toEqual([[], []]);
        pair.advance(90_000);
        expect(pair.encrypts(), `byte ${offset}`).toBe(true);
      }
    },
  );
});
