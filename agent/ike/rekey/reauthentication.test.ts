import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../../crypto/secret.ts';
import { ExchangeType, NotifyType, Protocol } from '../../wire/registry.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { byPreSharedKey } from '../negotiation/authentication.ts';
import { pretendedCredential, showing, TRUSTING } from '../testing/certificates.ts';
import { address, childConfig, connectionConfig, type Datagram, Pair, present, type Side } from '../testing/pair.ts';
import { recordActions } from '../testing/recording.ts';
import { calling, headline, notifyTypes, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig } from '../types.ts';

/** An established pair that has stood for a minute, and the order to the left to replace its IKE SA. */
function standing(changes: Partial<ConnectionConfig> = {}): { readonly pair: Pair; readonly replace: () => void } {
  const pair = new Pair().configure(changes, changes).settle().advance(60_000);
  return { pair, replace: () => pair.command(pair.left, { kind: 'reauthenticate', name: 'right' }) };
}

function count(side: Side, kind: Fact['kind']): number {
  return side.facts.filter((fact) => fact.kind === kind).length;
}

/** What one side does while the left replaces the IKE SA. */
function actionsOf(side: 'left' | 'right'): readonly string[] {
  const { pair, replace } = standing();
  const words: string[] = [];
  recordActions(pair, pair[side], words);
  replace();
  pair.settle().advance(20_000);
  return words;
}

describe('reauthentication', () => {
  it('the initiator adds the new pair and moves the pin to it before it deletes the old one', () => {
    expect(actionsOf('left')).toEqual([
      'request 34',
      'request 35',
      'add in',
      'add out',
      'pin out new',
      // Shows the peer that the new pair is in.
      'request 37',
      'delete out',
      'request 37',
      // The old inbound SA goes when its counter has stood still.
      'counters',
      'counters',
      'delete in',
    ]);
  });

  it('the responder answers when its SAs are in, and sends on the new pair only when it knows that the initiator has it', () => {
    expect(actionsOf('right')).toEqual([
      'response 34',
      'add in',
      'add out',
      'response 35',
      'response 37',
      'pin out new',
      'delete out',
      // From here on the peer may be without the old inbound SA.
      'response 37',
      'counters',
      'counters',
      'delete in',
    ]);
  });

  it('the old inbound SA receives for a grace after it has been replaced, and then goes', () => {
    const { pair, replace } = standing();
    const old = present(pair.status(pair.left).ikeSas[0]?.children[0]).inboundSpi;
    const has = () => pair.sas(pair.left).some(({ id }) => id.spi === old);
    replace();
    pair.settle();
    expect(has()).toBe(true);
    pair.advance(4_000);
    expect(has()).toBe(true);
    pair.advance(2_000);
    expect(has()).toBe(false);
  });

  it('loses no packet at any moment, whichever datagram is lost on the way and repeated', () => {
    for (let lost = -1; lost < 6; lost += 1) {
      const { pair, replace } = standing();
      replace();
      pair.fire();
      for (let step = 0; step < 400; step += 1) {
        if (pair.wire.length > 0) {
          const datagram = present(pair.wire.shift());
          if (step !== lost) pair.deliverCopy(datagram);
        }
        pair.at += 20;
        pair.fire();
        expect(pair.encrypts(), `datagram ${lost} lost, step ${step}`).toBe(true);
      }
      expect(pair.status(pair.left).ikeSas, `datagram ${lost} lost`).toHaveLength(1);
      expect(pair.status(pair.right).ikeSas).toHaveLength(1);
    }
  });

  it('ends nothing before the responder is known to have learnt that the new pair is in', () => {
    const { pair, replace } = standing();
    replace();
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    for (let second = 0; second < 10; second += 1) {
      pair.at += 1_000;
      pair.fire();
      pair.wire.length = 0;
      expect(pair.encrypts(), `after ${second} s`).toBe(true);
    }
    expect(pair.status(pair.left).ikeSas.map(({ state }) => state)).toEqual(['established', 'established']);
    pair.advance(10_000);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.encrypts()).toBe(true);
  });

  it('a responder also moves when the initiator sends on the new pair and forgets to delete the old one', () => {
    const { pair, replace } = standing();
    replace();
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    pair.wire.length = 0;
    const outbound = () => present(pair.policies(pair.right).find((each) => each.direction === 'out')).template?.spi;
    const before = outbound();
    pair.advanceLosing(1_000);
    expect(outbound()).toBe(before);
    expect(pair.packet(pair.left)).toBe('encrypted');
    pair.advanceLosing(1_000);
    expect(outbound()).not.toBe(before);
    expect(pair.packet(pair.right)).toBe('encrypted');
  });

  it('a responder that has learnt from an answer that the new pair is in use goes on with it while a third is made', () => {
    const { pair, replace } = standing();
    replace();
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    pair.fire();
    pair.wire.length = 0;
    pair.command(pair.right, { kind: 'checkLiveness', name: 'left' });
    pair.deliver();
    pair.deliver();
    pair.settle();
    replace();
    for (let second = 0; second < 10; second += 1) {
      pair.at += 1_000;
      pair.fire();
      // Neither the Delete of the first pair comes through nor the grant of the third.
      const isLost = ({ from, bytes }: Datagram) => headline(bytes)[0] === (from === pair.left ? 37 : 35);
      for (const datagram of pair.wire.splice(0)) if (!isLost(datagram)) pair.deliverCopy(datagram);
      expect(pair.packet(pair.right), `after ${second} s`).toBe('encrypted');
    }
  });

  it('that crosses a rekey of the responder ends with both on the pair of the new IKE SA, though the rekey ends last', () => {
    const { pair, replace } = standing();
    const take = (index: number) => {
      pair.deliverCopy(present(pair.wire.splice(index, 1)[0]));
      pair.fire();
    };
    replace();
    pair.fire();
    for (let message = 0; message < 2; message += 1) pair.deliver();
    pair.command(pair.right, { kind: 'rekeyChild', name: 'left', child: 'hosts' });
    pair.fire();
    // IKE_AUTH and the rekey arrive, then the answer to the rekey, the answer to IKE_AUTH, and what follows that.
    take(0);
    take(0);
    take(1);
    take(0);
    const shown = pair.wire.filter(({ from }) => from === pair.left).at(-1);
    pair.deliverCopy(present(shown));
    const [newest] = pair.status(pair.left).ikeSas.at(-1)?.children ?? [];
    const pinned = pair.policies(pair.right).find(({ direction }) => direction === 'out')?.template?.spi;
    expect(pinned).toBe(present(newest).inboundSpi);
    // The path fails, and what is not known to be in use goes.
    pair.wire.length = 0;
    pair.advanceLosing(200_000);
    expect(pair.packet(pair.right)).toBe('encrypted');
  });

  it('policies are there at every moment: none is ever deleted', () => {
    const { pair, replace } = standing();
    const words: string[] = [];
    recordActions(pair, pair.left, words);
    recordActions(pair, pair.right, words);
    replace();
    pair.settle().advance(30_000);
    expect(words.filter((each) => each.startsWith('deletePolicy') || each.endsWith('open'))).toEqual([]);
  });

  it('several Child SAs are all there in the new IKE SA before the old one goes', () => {
    const any = { protocol: 0, fromPort: 0, toPort: 65_535 };
    const net = (text: string) => ({ prefix: { address: address(text), length: 24 }, ...any });
    const children = (local: string, remote: string) => [
      childConfig(),
      childConfig({ name: 'pods', mode: 'tunnel', reqid: 0x6000_0002, local: [net(local)], remote: [net(remote)] }),
    ];
    const pair = new Pair().configure(
      { children: children('10.1.0.0', '10.2.0.0') },
      { children: children('10.2.0.0', '10.1.0.0') },
    );
    pair.settle().advance(60_000);
    const pods = { source: address('10.1.0.1'), destination: address('10.2.0.1') };
    expect(pair.encrypts() && pair.encrypts(pods)).toBe(true);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    for (let step = 0; step < 200; step += 1) {
      pair.fire();
      if (pair.wire.length > 0) pair.deliver();
      pair.at += 50;
      expect(pair.encrypts() && pair.encrypts(pods), `step ${step}`).toBe(true);
    }
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ children: [{ name: 'hosts' }, { name: 'pods' }] }]);
    for (const { facts } of [pair.left, pair.right]) {
      const established = facts.filter((fact) => fact.kind === 'ikeSaEstablished');
      expect(established.map(({ renews }) => renews)).toEqual([false, true]);
    }
    pair.advance(20_000);
    expect(pair.sas(pair.left)).toHaveLength(4);
  });

  it('happens on order, and where a lifetime of the proofs is configured', () => {
    const pair = new Pair().configure({ reauthenticationMs: 3_000_000 }).settle();
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.advance(20_000);
    expect(count(pair.right, 'ikeSaEstablished')).toBe(2);
    expect(pair.status(pair.right).ikeSas).toHaveLength(1);
    pair.advance(2_000_000);
    expect(count(pair.right, 'ikeSaEstablished')).toBe(2);
    pair.advance(1_100_000);
    expect(count(pair.right, 'ikeSaEstablished')).toBe(3);
    expect(pair.encrypts()).toBe(true);
  });

  it('both ends that replace at once end with one IKE SA, and lose nothing', () => {
    const { pair, replace } = standing();
    replace();
    pair.command(pair.right, { kind: 'reauthenticate', name: 'left' });
    pair.fire();
    for (let step = 0; step < 300; step += 1) {
      if (pair.wire.length > 0) pair.deliver();
      pair.at += 50;
      pair.fire();
      expect(pair.encrypts(), `step ${step}`).toBe(true);
    }
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.status(pair.right).ikeSas.map(({ initiatorSpi }) => initiatorSpi)).toEqual(
      pair.status(pair.left).ikeSas.map(({ initiatorSpi }) => initiatorSpi),
    );
  });

  it('keeps the old pair while the peer grants none on the new IKE SA, asks again, and ends the old IKE SA then', () => {
    const peer = calling();
    const first = peer.accept();
    peer.send(peer.respond(first, [...peer.proof(), ...peer.child()]));
    const { pair, subject } = peer;
    pair.advanceLosing(5_000);
    const old = present(pair.status(subject).ikeSas[0]);
    pair.command(subject, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    const successor = new ScriptedPeer(pair);
    successor.localSpi = '2222222222222222' as never;
    successor.espSpi = 0x0f0f0f0f;
    const second = successor.accept();
    successor.send(successor.respond(second, [...successor.proof(), notify(NotifyType.TS_UNACCEPTABLE)]));
    expect(pair.status(subject).ikeSas.map(({ number, state }) => [number, state])).toEqual([
      [old.number, 'established'],
      [old.number + 1, 'established'],
    ]);
    pair.fire();
    expect(successor.waiting).toBe(0);
    for (let wait = 0; wait < 100 && successor.waiting === 0; wait += 1) {
      pair.at += 100;
      pair.fire();
    }
    const again = successor.take();
    expect(headline(again)[0]).toBe(ExchangeType.CREATE_CHILD_SA);
    expect(pair.outbound(subject)).toHaveLength(1);
    const nonce = { kind: 'nonce', data: new Uint8Array(32).fill(1) } as const;
    successor.send(successor.respond(again, [...successor.child(), nonce]));
    pair.fire();
    successor.send(successor.respond(successor.take(), []));
    pair.advanceLosing(10_000);
    expect(pair.status(subject).ikeSas.filter(({ state }) => state === 'established')).toMatchObject([
      { number: old.number + 1, children: [{ outboundSpi: 0x0f0f0f0f }] },
    ]);
  });

  it('leaves the old pair in use where the new one goes before the Delete of the old one could be sent', () => {
    const peer = calling();
    const first = peer.accept();
    peer.send(peer.respond(first, [...peer.proof(), ...peer.child()]));
    const { pair, subject } = peer;
    pair.advanceLosing(5_000);
    const old = present(pair.status(subject).ikeSas[0]);
    pair.command(subject, { kind: 'checkLiveness', name: 'right' });
    const question = peer.take();
    const child = present(old.children[0]);
    pair.command(subject, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    const successor = new ScriptedPeer(pair);
    successor.localSpi = '2222222222222222' as never;
    successor.espSpi = 0x0f0f0f0f;
    const second = successor.accept();
    successor.send(successor.respond(second, [...successor.proof(), ...successor.child()]));
    pair.fire();
    const out = () => present(pair.policies(subject).find(({ direction }) => direction === 'out')).template?.spi;
    expect(out()).toBe(0x0f0f0f0f);
    pair.wire.length = 0;
    const ended = { kind: 'delete', protocol: 1, spiSize: 0, spis: [] } as const;
    successor.send(successor.request(ExchangeType.INFORMATIONAL, [ended]));
    expect(out()).toBe(child.outboundSpi);
    pair.wire.length = 0;
    peer.send(peer.respond(question, []));
    pair.advanceLosing(5_000);
    expect(out()).toBe(child.outboundSpi);
    expect(pair.status(subject).ikeSas).toMatchObject([{ number: old.number, state: 'established' }]);
  });

  it('is tried again, the old pair in use, where the peer does not answer', () => {
    const { pair, replace } = standing();
    replace();
    const lose = ({ bytes }: { readonly bytes: Uint8Array }): boolean => headline(bytes)[0] === 34;
    for (let second = 0; second < 100; second += 1) {
      pair.at += 1_000;
      pair.fire();
      while (pair.wire.length > 0) {
        const datagram = present(pair.wire.shift());
        if (!lose(datagram)) pair.deliverCopy(datagram);
      }
      expect(pair.encrypts()).toBe(true);
    }
    pair.advance(100_000);
    expect(pair.encrypts()).toBe(true);
    expect(count(pair.left, 'ikeSaEstablished')).toBe(2);
  });

  /** The left has another key than the right, which refuses the one and will never hear of the other. */
  function failing(why: 'refused' | 'unanswered'): { readonly pair: Pair; advance(ms: number): void } {
    const ikeLifetimeMs = 3_600_000;
    const lasting = childConfig({ lifetime: { hardSeconds: 14_400 } });
    const pair = new Pair();
    // The left alone rekeys.
    pair.configure({ ikeLifetimeMs }, { children: [lasting] });
    pair.settle().advance(60_000);
    const key = byPreSharedKey(new SecretBytes(new TextEncoder().encode('a key of one side alone')));
    const connection = connectionConfig(pair.left, pair.right, { ikeLifetimeMs, ...key });
    pair.command(pair.left, { kind: 'updateConnection', connection });
    const initial = ({ bytes }: Datagram) => headline(bytes)[0] === ExchangeType.IKE_SA_INIT;
    const advance = (ms: number) => {
      for (const until = pair.at + ms; pair.at < until; pair.at += 500) {
        pair.left.kernel.advance();
        pair.right.kernel.advance();
        pair.fire();
        while (pair.wire.length > 0) {
          const datagram = present(pair.wire.shift());
          if (why === 'refused' || !initial(datagram)) pair.deliverCopy(datagram);
          pair.fire();
        }
      }
    };
    return { pair, advance };
  }

  it.each(['refused', 'unanswered'] as const)(
    'that is %s again and again lets nothing come to its end: the IKE SA that stands and its Child SA are rekeyed',
    (why) => {
      const { pair, advance } = failing(why);
      for (let minute = 0; minute < 5 * 60; minute += 5) {
        advance(300_000);
        expect(pair.encrypts(), `after ${minute} minutes`).toBe(true);
      }
      expect(count(pair.left, 'childSaRekeyed')).toBeGreaterThanOrEqual(4);
      expect(count(pair.left, 'ikeSaRekeyed')).toBeGreaterThanOrEqual(4);
      expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
      expect(pair.status(pair.left).lastFailure).toBeDefined();
    },
  );

  it.each(['refused', 'unanswered'] as const)(
    'that is %s again and again leaves the IKE SA that stands to bring back a Child SA that has been lost',
    (why) => {
      const { pair, advance } = failing(why);
      advance(600_000);
      const child = present(pair.status(pair.left).ikeSas[0]?.children[0]);
      const id = { destination: pair.right.address, spi: child.outboundSpi };
      pair.left.kernel.execute({ kind: 'deleteSa', id });
      pair.handle(pair.left, { kind: 'kernel', event: { kind: 'expire', id, reqid: child.reqid, hard: true } });
      expect(pair.packet(pair.left)).toBe('blocked');
      advance(180_000);
      expect(pair.encrypts()).toBe(true);
      expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
    },
  );

  it('that is refused again and again becomes rarer, though the IKE SA that stands takes no further Child SA', () => {
    const between = (protocol: number) => {
      const traffic = [{ protocol, fromPort: 0, toPort: 65_535 }];
      return { local: traffic, remote: traffic };
    };
    const other = childConfig({ ...between(6), name: 'other', reqid: 0x6000_0002 });
    const children = [childConfig(between(17)), other];
    const pair = new Pair({ limits: { childrenPerIkeSa: 1 } }).configure({ children }, { children }).settle();
    const key = byPreSharedKey(new SecretBytes(new TextEncoder().encode('a key of one side alone')));
    const connection = connectionConfig(pair.left, pair.right, { children, ...key });
    pair.command(pair.left, { kind: 'updateConnection', connection });
    pair.advance(600_000);
    const attempts = pair.sent.filter(({ from, bytes }) => from === pair.left && headline(bytes)[0] === 34);
    expect(attempts.length).toBeGreaterThan(5);
    expect(attempts.length).toBeLessThan(25);
    expect(pair.encrypts()).toBe(true);
  });

  it('a hard expiry without a successor blocks, asks for a new pair and has it soon', () => {
    const { pair } = standing();
    const child = present(pair.status(pair.left).ikeSas[0]?.children[0]);
    const id = { destination: pair.right.address, spi: child.outboundSpi };
    pair.left.kernel.execute({ kind: 'deleteSa', id });
    pair.handle(pair.left, { kind: 'kernel', event: { kind: 'expire', id, reqid: child.reqid, hard: true } });
    expect(pair.packet(pair.left)).toBe('blocked');
    pair.advance(3_000);
    expect(pair.encrypts()).toBe(true);
    expect(count(pair.left, 'ikeSaEstablished')).toBe(1);
  });
});

describe('a peer that is no agent', () => {
  /** An IKE SA stands with a peer that would send on a new pair before we can receive on it. */
  function standingWithOther(changes: Partial<ConnectionConfig> = {}): ScriptedPeer {
    const peer = waiting({ initiation: 'start', ...changes }, {}, new Pair());
    peer.pair.wire.length = 0;
    peer.establish();
    peer.pair.advanceLosing(2_000);
    peer.pair.command(peer.subject, { kind: 'reauthenticate', name: 'right' });
    peer.pair.fire();
    return peer;
  }

  it('is asked to begin the new IKE SA by itself (RFC 4478), and what it begins is enough', () => {
    const peer = standingWithOther();
    const { pair, subject } = peer;
    const question = peer.take();
    expect(headline(question)[0]).toBe(ExchangeType.INFORMATIONAL);
    const asked = peer.open(question);
    expect(notifyTypes(asked)).toEqual([NotifyType.AUTH_LIFETIME]);
    expect(asked.map((each) => (each.kind === 'notify' ? [...each.data] : []))).toEqual([[0, 0, 0, 1]]);
    peer.send(peer.respond(question, []));
    const successor = new ScriptedPeer(pair);
    successor.localSpi = '2222222222222222' as never;
    successor.espSpi = 0x0f0f0f0f;
    successor.establish();
    expect(pair.status(subject).ikeSas).toHaveLength(2);
    pair.wire.length = 0;
    pair.advanceLosing(4_500);
    expect(
      pair.sent.filter(({ from, bytes }) => from === subject && headline(bytes).join() === '34,0,request'),
    ).toEqual([]);
  });

  it('that does not begin is replaced by us after a while, and is not asked again', () => {
    const peer = standingWithOther();
    peer.send(peer.respond(peer.take(), []));
    peer.pair.advanceLosing(4_900);
    const begun = () =>
      peer.pair.sent.filter(({ from, bytes }) => from === peer.subject && headline(bytes).join() === '34,0,request')
        .length;
    const before = begun();
    peer.pair.at += 200;
    peer.pair.fire();
    expect(begun()).toBe(before + 1);
  });

  it('that may be anywhere, so that we cannot begin, is asked too', () => {
    const peer = standingWithOther({ remoteAddress: 'any', initiation: 'respond' });
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTH_LIFETIME]);
  });

  it('that is an agent is not asked: it knows when to send', () => {
    const { pair, replace } = standing();
    const before = pair.sent.length;
    replace();
    pair.fire();
    expect(headline(present(pair.sent[before]).bytes)[0]).toBe(ExchangeType.IKE_SA_INIT);
  });
});

describe('a renewed certificate', () => {
  const PROOFS = { localAuthentication: showing(pretendedCredential('old')), remoteAuthentication: TRUSTING };

  function certified(changes: Partial<ConnectionConfig> = {}): { readonly pair: Pair; readonly renew: () => void } {
    const pair = new Pair();
    for (const side of [pair.left, pair.right]) side.verify = () => ({ ok: true, value: undefined });
    pair.configure({ ...PROOFS, ...changes }, PROOFS);
    const localAuthentication = showing(pretendedCredential('new'));
    const connection = connectionConfig(pair.left, pair.right, { ...PROOFS, ...changes, localAuthentication });
    return { pair, renew: () => pair.command(pair.left, { kind: 'updateConnection', connection }) };
  }

  /** The certificate that the right has last been shown by the left. */
  function shown({ right }: Pair): string {
    return new TextDecoder().decode(right.jobs.at(-1)?.certificates[0]);
  }

  it('that comes while the old one is being shown is shown too, as soon as the peer has answered', () => {
    const { pair, renew } = certified({ initiation: 'start' });
    pair.fire();
    pair.deliver();
    pair.deliver();
    expect(pair.wire).toHaveLength(1);
    renew();
    pair.settle().advance(20_000);
    expect(shown(pair)).toBe('new');
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.encrypts()).toBe(true);
  });

  it('that the peer refuses for now is shown again by a side that otherwise only responds', () => {
    const { pair, renew } = certified({ initiation: 'respond' });
    pair.command(pair.right, { kind: 'initiate', name: 'left' });
    pair.settle().advance(20_000);
    expect(shown(pair)).toBe('old');
    let refusals = 2;
    const refusal = { ok: false, error: { kind: 'verificationRefusal', reason: 'it is not valid yet' } } as const;
    pair.right.verify = () => {
      refusals -= 1;
      return refusals >= 0 ? refusal : { ok: true, value: undefined };
    };
    renew();
    for (let second = 0; second < 60; second += 1)
      expect(pair.advance(1_000).encrypts(), `after ${second} s`).toBe(true);
    expect(refusals).toBeLessThan(0);
    expect(shown(pair)).toBe('new');
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
  });

  it('is shown for an older IKE SA too, where the one that was to be replaced goes first', () => {
    const secret = (text: string) => byPreSharedKey(new SecretBytes(new TextEncoder().encode(text)));
    const first = waiting().establish();
    const { pair, subject } = first;
    const second = new ScriptedPeer(pair);
    second.localSpi = '2222222222222222' as never;
    second.espSpi = 0x2222;
    second.establish();
    const connection = connectionConfig(pair.left, pair.right, { initiation: 'respond', ...secret('another') });
    pair.command(subject, { kind: 'updateConnection', connection });
    second.send(
      second.request(ExchangeType.INFORMATIONAL, [{ kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] }]),
    );
    expect(pair.status(subject).ikeSas.filter(({ state }) => state === 'established')).toHaveLength(1);
    pair.sent.length = 0;
    pair.advanceLosing(20_000);
    const begun = pair.sent.filter(({ bytes }) => headline(bytes)[0] === ExchangeType.IKE_SA_INIT);
    expect(begun.length).toBeGreaterThan(0);
  });

  it('of a side that waits for a peer of any address is asked for by that peer, an agent as it is', () => {
    const pair = new Pair();
    for (const side of [pair.left, pair.right]) side.verify = () => ({ ok: true, value: undefined });
    const waiting = { ...PROOFS, remoteAddress: 'any', initiation: 'respond' } as const;
    pair
      .configure({ ...PROOFS, initiation: 'start' }, waiting)
      .settle()
      .advance(20_000);
    const connection = connectionConfig(pair.right, pair.left, {
      ...waiting,
      localAuthentication: showing(pretendedCredential('new')),
    });
    pair.command(pair.right, { kind: 'updateConnection', connection });
    for (let second = 0; second < 20; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
    expect(new TextDecoder().decode(pair.left.jobs.at(-1)?.certificates[0])).toBe('new');
    expect(pair.status(pair.right).ikeSas).toHaveLength(1);
  });
});
