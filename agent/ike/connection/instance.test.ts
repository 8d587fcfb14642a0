import { describe, expect, it } from 'vitest';

import { encodeInstanceNotify, type InstanceNotify } from '../../wire/instance-notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType, Protocol } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { VENDOR_ID } from '../message/vendor-id.ts';
import { childConfig, connectionConfig, type Datagram, Pair, present, type Side } from '../testing/pair.ts';
import { headline, notifyTypes, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig } from '../types.ts';

/** The Delete by which the right side takes back what its kernel has refused: it comes with its first repetition. */
const LOSING_THE_DELETE = ({ from, bytes }: Datagram): boolean => {
  const [exchange, , kind] = headline(bytes);
  return from.name === 'right' && exchange === ExchangeType.INFORMATIONAL && kind === 'request';
};

const DELETE_IKE_SA: Payload = { kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] };

/** The right side's agent starts again over what its kernel has. */
function restart(pair: Pair, changes: Partial<ConnectionConfig> = {}): void {
  const dumped = pair.right.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  pair.restarted(pair.right, 99);
  const connections = [connectionConfig(pair.right, pair.left, changes)];
  pair.command(pair.right, { kind: 'start', connections, snapshot: dumped.value });
}

function establishedInbound({ facts }: Side): readonly number[] {
  return facts.flatMap((fact) => (fact.kind === 'childSaEstablished' ? [fact.inboundSpi] : []));
}

function closed(side: Side): readonly string[] {
  return side.facts.flatMap((fact) => (fact.kind === 'ikeSaClosed' ? [fact.reason] : []));
}

/** An agent that the test plays, up to an IKE SA with a Child SA. */
function agentPeer(peer: ScriptedPeer, said: readonly Payload[], vendorIds: readonly Payload[] = [VENDOR_ID]): void {
  peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, ...vendorIds]));
  peer.takeInitResponse(peer.take());
  peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...said, ...peer.child()]));
  peer.open(peer.take());
}

function run(boot: number, instance: number, supersedes: InstanceNotify['supersedes'] = []): Payload {
  const bootId = new Uint8Array(16).fill(boot);
  return encodeInstanceNotify({ bootId, instance: new Uint8Array(8).fill(instance), supersedes });
}

/** The same peer once more: another IKE SA with other SPIs, a second later. */
function again(first: ScriptedPeer, number: number): ScriptedPeer {
  first.pair.advance(1_000);
  first.pair.wire.length = 0;
  const peer = new ScriptedPeer(first.pair);
  peer.localSpi = `000000000000f00${number}` as never;
  peer.espSpi = 0x8000 + number;
  return peer;
}

function pinOf(pair: Pair): number | undefined {
  return pair.policies(pair.left).find(({ direction }) => direction === 'out')?.template?.spi;
}

describe('a machine that has rebooted', () => {
  it('is sent to on its new SAs with the first answer, not after a grace', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    pair.rebooted(pair.right, 99);
    pair.configureRight({ initiation: 'start' });
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    pair.advance(10);
    expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([3, 2]);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(closed(pair.left)).toEqual(['replaced']);
  });

  it('is known by its boot alone, whatever it says of an initial contact', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    const second = again(peer, 1);
    agentPeer(second, [run(2, 2)]);
    expect(pinOf(peer.pair)).toBe(second.espSpi);
    peer.pair.advance(10);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(1);
  });

  it('is sent to within a second by an agent that restarted meanwhile, which then keeps nothing older for it', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    restart(pair, { initiation: 'respond' });
    pair.rebooted(pair.left, 77);
    pair.configureLeft();
    pair.settle().advance(1_000);
    expect(pair.encrypts()).toBe(true);
    pair.advance(10_000);
    expect(pair.sas(pair.right)).toHaveLength(2);
  });
});

describe('an agent that has restarted', () => {
  it.each(['Permissive', 'Required'] as const)(
    'is sent what its kernel still has an SA for, encrypted, however long it takes to make another one: %s',
    (enforcement) => {
      const between = (protocol: number) => [{ protocol, fromPort: 0, toPort: 65_535 }];
      const [first, second] = [17, 6].map((protocol) => ({
        local: between(protocol),
        remote: between(protocol),
        enforcement,
      }));
      const children = [childConfig(first), childConfig({ ...second, name: 'other', reqid: 0x6000_0002 })];
      const pair = new Pair().configure({ children }, { children }).settle().advance(5_000);
      // It has ended, and is asked whether it is alive, when it begins anew.
      pair.advanceLosing(50_000);
      pair.right.refuse = (command) =>
        command.kind === 'addSa' && command.sa.reqid === 0x6000_0002 ? 'no memory' : undefined;
      restart(pair, { initiation: 'start', children });
      for (let minute = 0; minute < 5; minute += 1) {
        pair.settle().advance(60_000);
        expect(pair.packet(pair.left, { protocol: 17 }), `after ${minute} minutes`).toBe('encrypted');
        expect(pair.packet(pair.left, { protocol: 6 }), `after ${minute} minutes`).toBe('encrypted');
      }
    },
  );

  it('is asked again for what its peer could not install at first, though the peer still has the pair of before', () => {
    const pair = new Pair().configure({}, { initiation: 'respond' }).settle().advance(5_000);
    restart(pair, { initiation: 'respond' });
    pair.left.refuse = ({ kind }) => (kind === 'addSa' ? 'no memory' : undefined);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.settle();
    pair.left.refuse = () => undefined;
    pair.advance(90_000);
    expect(pair.encrypts()).toBe(true);
    for (const side of [pair.left, pair.right]) {
      expect(pair.status(side).ikeSas.map(({ children }) => children.length)).toEqual([1]);
      expect(pair.sas(side)).toHaveLength(2);
    }
  });

  it('says no INITIAL_CONTACT while its kernel has older SAs, and its peer keeps those until the new ones are in use', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    const before = peer.espSpi;
    const second = again(peer, 1);
    agentPeer(second, [run(1, 2)]);
    expect(pinOf(peer.pair)).toBe(before);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(2);
    second.send(second.request(ExchangeType.INFORMATIONAL, []));
    peer.pair.advance(10);
    expect(pinOf(peer.pair)).toBe(second.espSpi);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(1);
    expect(closed(peer.subject)).toEqual(['replaced']);
  });

  it('does not take the old IKE SA for gone at a side that never heard of its first try', () => {
    const pair = new Pair().configure({ initiation: 'takeover' }, { initiation: 'start' }).settle().advance(60_000);
    restart(pair, { initiation: 'start' });
    pair.fire();
    // IKE_SA_INIT both ways, then IKE_AUTH: its answer is lost, so that only the left side knows of the new IKE SA.
    for (let message = 0; message < 3; message += 1) pair.deliver();
    pair.wire.length = 0;
    pair.advance(60_000);
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
  });

  /** Restarted, with a kernel that takes no new SAs: it goes on with the old ones. */
  function restartedInVain(loses: (datagram: Datagram) => boolean = () => false): Pair {
    const pair = new Pair().configure({ initiation: 'takeover' }, { initiation: 'start' }).settle().advance(60_000);
    pair.right.refuse = ({ kind }) => (kind === 'addSa' ? 'no memory' : undefined);
    restart(pair, { initiation: 'start' });
    pair.fire();
    while (pair.wire.length > 0) {
      const [next] = pair.wire;
      if (next !== undefined && loses(next)) pair.wire.shift();
      else pair.deliver();
      pair.fire();
    }
    return pair;
  }

  it('is received on the old SAs for as long as its kernel refuses new ones, though it answers on the new IKE SA', () => {
    const pair = restartedInVain(LOSING_THE_DELETE);
    for (let second = 0; second < 20; second += 1) {
      expect(pair.packet(pair.right), `after ${second} s`).toBe('encrypted');
      pair.advance(1_000);
    }
    pair.right.refuse = () => undefined;
    pair.advance(120_000);
    expect(pair.encrypts()).toBe(true);
    expect([pair.sas(pair.left).length, pair.sas(pair.right).length]).toEqual([2, 2]);
  });

  it('leaves nothing in the kernel of a peer that takes it out of its configuration just then', () => {
    const pair = new Pair().configure({ initiation: 'takeover' }, { initiation: 'start' }).settle().advance(60_000);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.wire.length = 0;
    restart(pair, { initiation: 'start' });
    pair.fire();
    while (pair.status(pair.left).ikeSas.filter(({ state }) => state === 'established').length < 2) pair.deliver();
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    pair.advanceLosing(60_000);
    expect(pair.sas(pair.left)).toEqual([]);
  });

  it('sends nothing more on the old SAs once the peer has ended all on purpose', () => {
    const pair = restartedInVain();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.settle();
    expect(pair.packet(pair.right)).toBe('blocked');
    expect(pair.outbound(pair.right)).toEqual([]);
  });

  it('is sent to and received on the old SAs when it refuses the proof of a new IKE SA: it has taken that one back alone', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    peer.pair.advance(300_000);
    expect(closed(peer.subject)).toEqual(['peerDead']);
    const second = again(peer, 1);
    agentPeer(second, [run(1, 2)]);
    second.send(second.request(ExchangeType.INFORMATIONAL, [notify(NotifyType.AUTHENTICATION_FAILED), DELETE_IKE_SA]));
    peer.pair.advance(30_000);
    expect(closed(peer.subject)).toEqual(['peerDead', 'refusedByPeer']);
    expect(pinOf(peer.pair)).toBe(peer.espSpi);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
  });

  it('is received on the old SAs when the new pair ends at a limit before they are gone: it may go back to them', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    const [old] = establishedInbound(peer.subject);
    peer.pair.advance(300_000);
    const second = again(peer, 1);
    agentPeer(second, [run(1, 2)]);
    second.send(second.request(ExchangeType.INFORMATIONAL, []));
    const { id, reqid } = present(peer.pair.sas(peer.subject).find((sa) => sa.id.spi === second.espSpi));
    peer.subject.kernel.kernel.deleteSa(id);
    peer.pair.handle(peer.subject, { kind: 'kernel', event: { kind: 'expire', id, reqid, hard: true } });
    peer.pair.advance(30_000);
    expect(peer.pair.sas(peer.subject).map((sa) => sa.id.spi)).toContain(old);
  });

  it('is received on a pair that ended at a limit, which it has not heard, until it sends on another one', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    const [old] = establishedInbound(peer.subject);
    const { id, reqid } = present(peer.pair.sas(peer.subject).find((sa) => sa.id.spi === peer.espSpi));
    peer.subject.kernel.kernel.deleteSa(id);
    peer.pair.handle(peer.subject, { kind: 'kernel', event: { kind: 'expire', id, reqid, hard: true } });
    const second = again(peer, 1);
    agentPeer(second, [run(1, 2)]);
    peer.pair.advance(8_000);
    expect(closed(peer.subject)).toEqual(['replaced']);
    expect(peer.pair.sas(peer.subject).map((sa) => sa.id.spi)).toContain(old);
    second.send(second.request(ExchangeType.INFORMATIONAL, []));
    peer.pair.advance(8_000);
    expect(peer.pair.sas(peer.subject).map((sa) => sa.id.spi)).not.toContain(old);
  });

  it('is taken at its word only behind our Vendor ID: the number may mean anything to somebody else', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)], []);
    const second = again(peer, 1);
    agentPeer(second, [run(2, 2)], []);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(2);
  });
});

describe('an agent that authenticates anew', () => {
  it('names the IKE SA that goes, and the other end knows it although their exchanges overlap', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    const [old] = pair.status(pair.left).ikeSas;
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.settle().advance(20_000);
    for (const side of [pair.left, pair.right]) {
      expect(pair.status(side).ikeSas).toHaveLength(1);
      expect(pair.status(side).ikeSas[0]?.initiatorSpi).not.toBe(present(old).initiatorSpi);
    }
  });

  it('cannot name the IKE SA of somebody else: only its own go', () => {
    const peer = waiting();
    agentPeer(peer, [run(1, 1)]);
    const stranger = { initiatorSpi: '00000000000000aa' as never, responderSpi: '00000000000000bb' as never };
    const second = again(peer, 1);
    agentPeer(second, [run(1, 1, [stranger])]);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(2);
  });

  it('says INITIAL_CONTACT never again', () => {
    const peer = waiting();
    agentPeer(peer, [notify(NotifyType.INITIAL_CONTACT), run(1, 1)]);
    const second = again(peer, 1);
    second.send(second.initRequest([second.sa, second.ke, second.ni, VENDOR_ID]));
    second.takeInitResponse(second.take());
    second.send(second.request(ExchangeType.IKE_AUTH, [...second.proof(), run(1, 1), ...second.child()]));
    expect(notifyTypes(second.open(second.take()))).not.toContain(NotifyType.INITIAL_CONTACT);
  });
});
