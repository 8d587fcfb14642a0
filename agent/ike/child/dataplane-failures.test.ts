import { describe, expect, it } from 'vitest';

import type { DataplaneCommand, SaSpec } from '../../dataplane/types.ts';
import { NotifyType } from '../../wire/registry.ts';
import { childConfig, Pair, present, type Side } from '../testing/pair.ts';
import { calling, notifyTypes, texts, waiting } from '../testing/scripted-peer.ts';

type Condition = (command: DataplaneCommand) => boolean;

/** Makes the kernel of a side refuse, once, the command of that position among those that it is given from now on. */
function refuseNth(side: Side, position: number): void {
  let count = 0;
  side.refuse = () => {
    count += 1;
    return count === position + 1 ? 'no memory' : undefined;
  };
}

function refuseAll(side: Side, condition: Condition): void {
  side.refuse = (command) => (condition(command) ? 'Requested AEAD algorithm not found' : undefined);
}

const isAdd: Condition = ({ kind }) => kind === 'addSa';

/** Whatever either side can send on, the other can receive. */
function isWhole(pair: Pair): boolean {
  return [pair.left, pair.right].every((side) => {
    const other = new Set(pair.sas(pair.other(side)).map(({ id }) => `${id.destination} ${id.spi}`));
    return pair.outbound(side).every(({ id }) => other.has(`${id.destination} ${id.spi}`));
  });
}

describe('a kernel that refuses', () => {
  /** The two SAs that bringing up a Child takes; the third command is the pin of the out policy. */
  const positions = [0, 1];

  it.each(positions)(
    'the initiator command %i: nothing half-installed stays, the peer is told, and it comes up later',
    (position) => {
      const pair = new Pair().configure();
      pair.fire();
      for (let message = 0; message < 3; message += 1) pair.deliver();
      refuseNth(pair.left, position);
      pair.settle();
      expect(isWhole(pair)).toBe(true);
      expect(pair.outbound(pair.left)).toEqual([]);
      expect(pair.packet(pair.left)).toBe('blocked');
      expect(texts(pair.left, 'negotiationFailed')[0]).toMatch(/^the kernel refuses Child hosts of right: .*no memory/);
      expect(pair.status(pair.right).ikeSas[0]?.children).toEqual([]);
      expect(pair.status(pair.left).ikeSas[0]?.state).toBe('established');
      pair.advance(10_000);
      expect(pair.encrypts()).toBe(true);
      expect(isWhole(pair)).toBe(true);
    },
  );

  it.each(positions)(
    'the responder command %i: nothing half-installed stays, the peer is told, and it comes up later',
    (position) => {
      const pair = new Pair().configure();
      pair.fire();
      for (let message = 0; message < 2; message += 1) pair.deliver();
      refuseNth(pair.right, position);
      pair.settle();
      expect(isWhole(pair)).toBe(true);
      expect(pair.outbound(pair.right)).toEqual([]);
      expect(texts(pair.right, 'negotiationFailed')[0]).toMatch(/^the kernel refuses Child hosts of left: .*no memory/);
      expect(pair.status(pair.right).ikeSas[0]?.state).toBe('established');
      pair.advance(10_000);
      expect(pair.encrypts()).toBe(true);
      expect(isWhole(pair)).toBe(true);
    },
  );

  it.each(['left', 'right'] as const)(
    'the pin at the %s keeps the Child SA, which the other side counts on, and gets it later',
    (name) => {
      const pair = new Pair().configure();
      pair.fire();
      for (let message = 0; message < 2; message += 1) pair.deliver();
      refuseNth(pair[name], 2);
      pair.settle();
      expect(pair[name].facts).toContainEqual(expect.objectContaining({ kind: 'dataplaneFailed' }));
      expect(pair.packet(pair.other(pair[name]))).toBe('encrypted');
      expect(pair.advance(1_500).encrypts()).toBe(true);
      expect(pair[name].facts.filter(({ kind }) => kind === 'childSaEstablished')).toHaveLength(1);
    },
  );

  it('the response that grants a Child SA never leaves before both SAs are in', () => {
    const peer = waiting();
    refuseAll(peer.subject, isAdd);
    const answer = peer.authenticate();
    expect(notifyTypes(answer)).toContain(NotifyType.TEMPORARY_FAILURE);
    expect(answer.some((payload) => payload.kind === 'sa')).toBe(false);
    expect(peer.believes(answer)).toBe(true);
    expect(peer.waiting).toBe(0);
  });

  it('a repeated request is answered with what was said then, not with the grant', () => {
    const peer = waiting();
    refuseAll(peer.subject, isAdd);
    const request = peer.begin();
    peer.send(request);
    const answer = peer.take();
    peer.send(request);
    expect(peer.take()).toEqual(answer);
  });

  it('an outbound SA that is refused is not granted either, and the inbound one taken out again', () => {
    const peer = waiting();
    refuseAll(peer.subject, (command) => command.kind === 'addSa' && command.sa.direction === 'out');
    const answer = peer.authenticate();
    expect(notifyTypes(answer)).toContain(NotifyType.TEMPORARY_FAILURE);
    expect(answer.some((payload) => payload.kind === 'sa')).toBe(false);
    expect(peer.waiting).toBe(0);
    peer.pair.advanceLosing(6_000);
    expect(peer.pair.sas(peer.subject)).toEqual([]);
  });

  it('the initiator asks again ever more rarely while the kernel goes on refusing', () => {
    const pair = new Pair().configure();
    refuseAll(pair.left, isAdd);
    pair.advance(300_000);
    const failures = pair.left.facts.filter((fact) => fact.kind === 'negotiationFailed').length;
    expect(failures).toBeGreaterThan(4);
    expect(failures).toBeLessThan(14);
    expect(pair.left.facts.filter((fact) => fact.kind === 'ikeSaEstablished')).toHaveLength(1);
  });

  it('keys of SAs that were never added are wiped', () => {
    const pair = new Pair().configure();
    const specs: SaSpec[] = [];
    const handle = pair.left.endpoint.handle.bind(pair.left.endpoint);
    Object.assign(pair.left.endpoint, {
      handle: (...args: Parameters<typeof handle>) => {
        const actions = handle(...args);
        for (const action of actions) {
          if (action.kind === 'dataplane' && action.command.kind === 'addSa') specs.push(action.command.sa);
        }
        return actions;
      },
    });
    refuseAll(pair.left, isAdd);
    pair.settle();
    expect(specs).toHaveLength(2);
    for (const { encryptionKey, integrityKey } of specs)
      expect([encryptionKey.length, integrityKey.length]).toEqual([0, 0]);
  });

  it('a conflict at one policy does not keep the others out of the kernel', () => {
    const anyPort = { protocol: 0, fromPort: 0, toPort: 65_535 };
    const to = (text: string) => ({ prefix: { address: text as never, length: 24 }, ...anyPort });
    const pair = new Pair();
    refuseNth(pair.left, 0);
    pair.configureLeft({
      children: [childConfig({ mode: 'tunnel', remote: [to('10.1.0.0'), to('10.2.0.0'), to('10.3.0.0')] })],
    });
    expect(pair.policies(pair.left)).toHaveLength(3 * 3 - 1);
    expect(pair.status(pair.left).lastFailure?.text).toContain('no memory');
  });

  it('a new IKE SA whose pair the kernel refuses leaves the SAs that are there in use (make before break)', () => {
    for (const position of positions) {
      const pair = new Pair().configure().settle().advance(60_000);
      const before = pair.status(pair.left).ikeSas[0];
      refuseNth(pair.left, position);
      pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
      pair.settle();
      expect(pair.encrypts(), `position ${position}`).toBe(true);
      expect(pair.status(pair.left).ikeSas.map(({ number }) => number)).toContain(before?.number);
      pair.advance(30_000);
      expect(pair.encrypts()).toBe(true);
      expect(pair.status(pair.left).ikeSas.map(({ number }) => number)).not.toContain(before?.number);
      expect(pair.outbound(pair.left)).toHaveLength(1);
      expect(isWhole(pair)).toBe(true);
    }
  });

  it('a new IKE SA whose pair the kernel refuses leaves in use what was, not what the peer has only just been granted', () => {
    for (const position of positions) {
      const pair = new Pair().configure({}, { initiation: 'takeover' }).settle();
      pair.advance(1_000);
      pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
      pair.fire();
      for (let message = 0; message < 3; message += 1) pair.deliver();
      // The grant is lost.
      pair.wire.length = 0;
      pair.command(pair.right, { kind: 'reauthenticate', name: 'left' });
      pair.fire();
      for (let message = 0; message < 3; message += 1) pair.deliver();
      expect(pair.status(pair.right).ikeSas.flatMap(({ children }) => children)).toHaveLength(2);
      refuseNth(pair.right, position);
      pair.deliver();
      expect(texts(pair.right, 'negotiationFailed')[0]).toContain('no memory');
      expect(pair.encrypts(), `position ${position}`).toBe(true);
      pair.advance(30_000);
      expect(pair.encrypts()).toBe(true);
      expect(isWhole(pair)).toBe(true);
    }
  });

  it('a new IKE SA whose pair the kernel refuses gives way to what the peer was granted last, where it must have lost the rest', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' }, { initiation: 'takeover' });
    const begin = (messages: number) => {
      pair.fire();
      for (let message = 0; message < messages; message += 1) pair.deliver();
      return pair.wire.splice(0);
    };
    // Once they have had contact neither says that it is new.
    for (let contact = 0; contact < 2; contact += 1) {
      pair.command(pair.left, { kind: 'initiate', name: 'right' });
      if (contact === 0) pair.settle();
      else begin(3);
      pair.command(pair.left, { kind: 'terminate', name: 'right' });
      pair.settle().advance(100);
    }
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    const grant = begin(3);
    pair.command(pair.right, { kind: 'reauthenticate', name: 'left' });
    const [answer] = begin(3);
    refuseNth(pair.right, 0);
    pair.deliverCopy(present(answer));
    expect(texts(pair.right, 'negotiationFailed')[0]).toContain('no memory');
    for (const datagram of grant) pair.deliverCopy(datagram);
    expect(pair.packet(pair.right)).toBe('encrypted');
  });

  it.each(['left', 'right'] as const)(
    'a rekey that the kernel at the %s refuses leaves the pair that is there in use, and is begun again',
    (where) => {
      for (const position of positions) {
        const pair = new Pair().configure().settle().advance(60_000);
        const before = pair.status(pair.left).ikeSas[0]?.children[0];
        const id = { destination: pair.left.address, spi: before?.inboundSpi ?? 0 };
        refuseNth(pair[where], position);
        pair.handle(pair.left, { kind: 'kernel', event: { kind: 'expire', id, reqid: 0x6000_0001, hard: false } });
        for (let second = 0; second < 100; second += 1) {
          pair.advance(1_000);
          expect(pair.encrypts(), `position ${position}, second ${second}`).toBe(true);
        }
        expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: 1 }]);
        expect(pair.status(pair.left).ikeSas[0]?.children).toHaveLength(1);
        expect(pair.status(pair.left).ikeSas[0]?.children[0]?.inboundSpi).not.toBe(before?.inboundSpi);
        expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
        expect(isWhole(pair)).toBe(true);
      }
    },
  );

  it('a responder that cannot move its policies yet keeps the pair that the peer sends on, and moves them later', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    let refused = 0;
    pair.right.refuse = ({ kind }) => (kind === 'putPolicy' && refused++ === 0 ? 'no memory' : undefined);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    pair.wire.length = 0;
    expect(pair.packet(pair.left)).toBe('encrypted');
    pair.advanceLosing(900);
    expect(refused).toBeGreaterThan(0);
    expect(pair.advance(5_000).encrypts()).toBe(true);
    const begun = pair.left.facts.filter(({ kind }) => kind === 'childSaEstablished');
    expect(begun).toHaveLength(2);
    expect(isWhole(pair)).toBe(true);
  });

  it('an SA that cannot be deleted does not keep what stands behind it from happening', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' });
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    pair.settle();
    let refused = 0;
    pair.left.refuse = (command) => (command.kind === 'deleteSa' && refused++ === 0 ? 'busy' : undefined);
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.settle();
    expect(pair.status(pair.left).ikeSas).toEqual([]);
    expect(pair.outbound(pair.right)).toEqual([]);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'dataplaneFailed' }));
  });

  it('keeps an initiator that could not install quiet towards a peer that has said no already', () => {
    const peer = calling();
    const request = peer.accept();
    refuseAll(peer.subject, isAdd);
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child()]));
    const said = peer.take();
    peer.send(peer.respond(said, []));
    expect(peer.waiting).toBe(0);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });
});
