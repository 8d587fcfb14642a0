import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../crypto/secret.ts';
import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import type { CryptoProvider, EphemeralKey } from '../../crypto/types.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { spiToBytes } from '../exchange/child-negotiation.ts';
import { notify } from '../message/notify.ts';
import { byPreSharedKey } from '../negotiation/authentication.ts';
import { TRUSTING } from '../testing/certificates.ts';
import { childConfig, fqdn, Pair, proposal, type Side } from '../testing/pair.ts';
import { calling, notifyTypes, parsed, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import type { ConnectionConfig } from '../types.ts';

const NOTHING = { ikeSas: 0, espSpis: 0, verifications: 0, queuedRequests: 0, incompleteMessages: 0 };

function tables(pair: Pair, side: Side) {
  const { tables: sizes, halfOpen } = side.endpoint.status(pair.at);
  return { ...sizes, halfOpen };
}

/** The toy provider, with every ephemeral key that it makes noted until it is wiped. */
function counting(): { readonly crypto: CryptoProvider; readonly alive: Set<EphemeralKey> } {
  const alive = new Set<EphemeralKey>();
  const crypto: CryptoProvider = {
    ...toyProvider,
    keyExchange(id) {
      const method = toyProvider.keyExchange(id);
      if (method === undefined) return undefined;
      return {
        ...method,
        generate(random) {
          const key = method.generate(random);
          const noted: EphemeralKey = {
            publicValue: key.publicValue,
            derive: (peer) => key.derive(peer),
            wipe() {
              key.wipe();
              alive.delete(noted);
            },
          };
          alive.add(noted);
          return noted;
        },
      };
    },
  };
  return { crypto, alive };
}

describe('an endpoint whose connections are gone', () => {
  it.each<readonly [string, Partial<ConnectionConfig>, Partial<ConnectionConfig>]>([
    ['came up', {}, {}],
    ['came up over UDP', { natTraversal: 'Always' }, {}],
    ['had another key', {}, byPreSharedKey(new SecretBytes(new Uint8Array(20).fill(3)))],
    ['had another identity', { localIdentity: fqdn('other') }, {}],
    ['had no common algorithms', { proposals: [proposal('aes128gcm16', 'prfsha256', 'ecp256')] }, {}],
    ['was asked for another group', { proposals: [proposal('aes256gcm16', 'prfsha384', 'ecp384', 'x25519')] }, {}],
    ['had no common ESP algorithms', { children: [childConfig({ proposals: [proposal('aes128gcm16', 'esn')] })] }, {}],
    ['disagreed about the mode', { children: [childConfig({ mode: 'tunnel' })] }, {}],
    ['was to show a certificate', { remoteAuthentication: TRUSTING }, {}],
    ['began at both ends', {}, { initiation: 'start' }],
  ])('remembers nothing, has no key and no deadline: the peer %s', (_, left, right) => {
    const { crypto, alive } = counting();
    const pair = new Pair({ crypto }).configure(left, right);
    pair.advance(200_000);
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    pair.advance(200_000);
    for (const side of [pair.left, pair.right]) {
      expect(tables(pair, side)).toEqual({ ...NOTHING, halfOpen: 0 });
      expect(side.endpoint.nextDeadline()).toBeUndefined();
      expect([pair.sas(side), pair.policies(side)]).toEqual([[], []]);
    }
    expect(alive.size).toBe(0);
  });

  it.each(['rekey', 'rekeyChild'] as const)(
    'remembers nothing of peers that fall silent at any message of a %s, by one end or by both at once',
    (kind) => {
      const children = [childConfig({ proposals: [proposal('aes256gcm16', 'x25519', 'esn')] })];
      for (let messages = 0; messages < 16; messages += 1) {
        const { crypto, alive } = counting();
        const pair = new Pair({ crypto }).configure({ children }, { children }).settle().advance(10_000);
        const begun = messages % 2 === 0 ? [pair.left] : [pair.left, pair.right];
        for (const side of begun) pair.command(side, { kind, name: pair.other(side).name, child: 'hosts' });
        for (let message = 0; message < messages / 2; message += 1) {
          pair.fire();
          if (pair.wire.length > 0) pair.deliver();
        }
        pair.advanceLosing(20_000);
        pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
        pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
        pair.advanceLosing(300_000);
        for (const side of [pair.left, pair.right]) {
          expect(tables(pair, side), `${messages} messages`).toEqual({ ...NOTHING, halfOpen: 0 });
          expect([pair.sas(side), pair.policies(side)]).toEqual([[], []]);
          expect(side.endpoint.nextDeadline()).toBeUndefined();
        }
        expect(alive.size, `${messages} messages`).toBe(0);
      }
    },
  );

  it('remembers nothing of peers that fall silent at any message, or of kernels that refuse', () => {
    for (let messages = 0; messages < 6; messages += 1) {
      const { crypto, alive } = counting();
      const pair = new Pair({ crypto }).configure({}, { initiation: 'takeover' });
      pair.left.refuse = ({ kind }) => (kind === 'addSa' && messages === 5 ? 'no memory' : undefined);
      pair.fire();
      for (let message = 0; message < messages && pair.wire.length > 0; message += 1) pair.deliver();
      pair.advanceLosing(300_000);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
      pair.advanceLosing(300_000);
      for (const side of [pair.left, pair.right]) {
        expect(tables(pair, side), `${messages} messages`).toEqual({ ...NOTHING, halfOpen: 0 });
        expect([pair.sas(side), pair.policies(side)]).toEqual([[], []]);
      }
      expect(alive.size, `${messages} messages`).toBe(0);
    }
  });
});

describe('a peer that does the same again and again', () => {
  it('does not make tables grow: a hundred IKE SAs one after the other', () => {
    const pair = new Pair();
    pair.configureLeft({ initiation: 'respond' });
    for (let round = 0; round < 100; round += 1) {
      const peer = new ScriptedPeer(pair);
      peer.localSpi = `00000000000001${round.toString(16).padStart(2, '0')}` as never;
      peer.espSpi = 10_000 + round;
      peer.establish();
      peer.send(peer.request(ExchangeType.INFORMATIONAL, [{ kind: 'delete', protocol: 1, spiSize: 0, spis: [] }]));
      pair.wire.length = 0;
      pair.at += 1_000;
      pair.fire();
    }
    pair.advanceLosing(30_000);
    expect(tables(pair, pair.left)).toEqual({ ...NOTHING, halfOpen: 0 });
    expect(pair.sas(pair.left)).toEqual([]);
  });

  it('does not make them grow by IKE SAs that it begins and never ends: it may begin another one when some have', () => {
    const pair = new Pair();
    pair.configureLeft({ initiation: 'respond' });
    const answers: boolean[] = [];
    for (let round = 0; round < 200; round += 1) {
      const peer = new ScriptedPeer(pair);
      peer.localSpi = `00000000000003${round.toString(16).padStart(2, '0')}` as never;
      peer.espSpi = 10_000 + round;
      answers.push(notifyTypes(peer.authenticate()).includes(NotifyType.TEMPORARY_FAILURE));
      pair.wire.length = 0;
      pair.at += 10;
      pair.fire();
    }
    expect(answers.indexOf(true)).toBe(32);
    expect(answers.filter((refused) => !refused)).toHaveLength(32);
    expect(pair.sas(pair.left)).toHaveLength(64);
    pair.advanceLosing(600_000);
    const peer = new ScriptedPeer(pair);
    peer.localSpi = '0000000000000400' as never;
    expect(notifyTypes(peer.authenticate())).not.toContain(NotifyType.TEMPORARY_FAILURE);
  });

  it('does not make them grow by Child SAs that it makes and deletes: there is no more until the kernel has let some go', () => {
    const peer = waiting().establish();
    const { pair, subject } = peer;
    let granted = 0;
    let refused = 0;
    for (let round = 0; round < 2_500; round += 1) {
      peer.espSpi = 100_000 + round;
      peer.send(peer.request(ExchangeType.CREATE_CHILD_SA, [...peer.child(), peer.ni]));
      const answer = peer.open(peer.take());
      if (notifyTypes(answer).includes(NotifyType.NO_ADDITIONAL_SAS)) refused += 1;
      else granted += 1;
      const spis = [spiToBytes(peer.espSpi)];
      peer.send(peer.request(ExchangeType.INFORMATIONAL, [{ kind: 'delete', protocol: 3, spiSize: 4, spis }]));
      pair.wire.length = 0;
    }
    expect(refused).toBeGreaterThan(0);
    expect(granted + refused).toBe(2_500);
    expect(pair.sas(subject).length).toBeLessThanOrEqual(2_049);
  });

  it('does not make them grow by refused proofs and unreadable messages either', () => {
    const peer = waiting();
    for (let round = 0; round < 60; round += 1) {
      const other = new ScriptedPeer(peer.pair, round % 2 === 0 ? { secret: 'wrong' } : {});
      other.localSpi = `00000000000002${round.toString(16).padStart(2, '0')}` as never;
      other.authenticate(() => (round % 2 === 0 ? [...other.proof(), ...other.child()] : other.child()));
      peer.pair.at += 1_000;
      peer.pair.fire();
    }
    peer.pair.advanceLosing(30_000);
    expect(tables(peer.pair, peer.subject)).toEqual({ ...NOTHING, halfOpen: 0 });
  });

  it('does not make its own line of requests grow while the peer is silent', () => {
    const peer = waiting().establish();
    for (let round = 0; round < 1_000; round += 1) {
      peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
    }
    expect(tables(peer.pair, peer.subject).queuedRequests).toBeLessThanOrEqual(64);
  });
});

describe('keys', () => {
  it('of the group that the peer did not want are wiped when another one is used', () => {
    const { crypto, alive } = counting();
    const pair = new Pair({ crypto });
    pair.configureLeft({ proposals: [proposal('aes256gcm16', 'prfsha384', 'x25519', 'ecp384')] });
    pair.fire();
    const peer = new ScriptedPeer(pair);
    peer.send(peer.initRefusal(peer.take(), notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 20))));
    expect(alive.size).toBe(1);
  });

  it('of IKE_SA_INIT are wiped as soon as those of the IKE SA are there', () => {
    const { crypto, alive } = counting();
    const pair = new Pair({ crypto }).configure().settle();
    expect(pair.encrypts()).toBe(true);
    expect(alive.size).toBe(0);
  });

  it('of an initiator stay while only forgers have answered', () => {
    const peer = calling();
    const first = peer.take();
    const forged = { kind: 'ke', group: 31, data: new Uint8Array(32) } as const;
    for (let copy = 0; copy < 5; copy += 1) peer.send(peer.initResponse(first, [peer.sa, forged, peer.ni]));
    peer.send(peer.initResponse(first));
    expect(peer.believes(peer.open(peer.take()))).toBe(true);
  });
});

describe('a peer whose connection is taken out while it still waits for our answer', () => {
  it('hears of the end however late it comes, and does not send in vain until it asks whether we live', () => {
    const pair = new Pair().configure();
    pair.fire();
    for (let message = 0; message < 3; message += 1) pair.deliver();
    const removedAt = pair.at;
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    let asked = false;
    while (pair.at < removedAt + 11_000) {
      pair.at += 10;
      pair.fire();
      for (const datagram of pair.wire.splice(0)) {
        const answers = parsed(datagram.bytes).header.flags.response;
        if (datagram.from === pair.right && (!answers || pair.at < removedAt + 5_000)) continue;
        pair.deliverCopy(datagram);
      }
      if (asked || pair.status(pair.left).ikeSas[0]?.state !== 'established') continue;
      asked = true;
      pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    }
    expect(asked).toBe(true);
    pair.advance(5_000);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'ikeSaClosed', reason: 'deletedByPeer' }));
  });
});
