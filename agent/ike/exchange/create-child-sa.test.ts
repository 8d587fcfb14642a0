import { describe, expect, it } from 'vitest';

import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { address, childConfig, Pair, present, proposal } from '../testing/pair.ts';
import {
  calling,
  espProposal,
  headline,
  notifyTypes,
  type ScriptedPeer,
  texts,
  transform,
  waiting,
} from '../testing/scripted-peer.ts';
import type { ChildConfig, SelectorConfig } from '../types.ts';
import { spiToBytes } from './child-negotiation.ts';

function net(text: string): SelectorConfig {
  return { prefix: { address: address(text), length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

function pods(local: string, remote: string, changes: Partial<ChildConfig> = {}): ChildConfig {
  return childConfig({
    name: 'pods',
    mode: 'tunnel',
    reqid: 0x6000_0002,
    local: [net(local)],
    remote: [net(remote)],
    ...changes,
  });
}

/** Both sides have the Child of the hosts and one of their pods. */
function twoChildren(changes: Partial<ChildConfig> = {}): Pair {
  return new Pair().configure(
    { children: [childConfig(), pods('10.1.0.0', '10.2.0.0', changes)] },
    { children: [childConfig(), pods('10.2.0.0', '10.1.0.0', changes)] },
  );
}

const NONCE: Payload = { kind: 'nonce', data: new Uint8Array(32).fill(5) };
const PODS = { source: address('10.1.0.1'), destination: address('10.2.0.1') };

function ask(peer: ScriptedPeer, ...payloads: readonly Payload[]): readonly Payload[] {
  peer.send(peer.request(ExchangeType.CREATE_CHILD_SA, payloads));
  return peer.open(peer.take());
}

describe('further Child SAs', () => {
  it('come up on the IKE SA that stands, each with keys and selectors of its own (RFC 7296 §1.3.1)', () => {
    const pair = twoChildren().settle();
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ children: [{ name: 'hosts' }, { name: 'pods' }] }]);
    expect(pair.encrypts() && pair.encrypts(PODS)).toBe(true);
  });

  it('have a key exchange of their own where the ESP proposal names one', () => {
    const pair = twoChildren({ proposals: [proposal('aes256gcm16', 'x25519', 'esn')] }).settle();
    expect(pair.status(pair.right).ikeSas[0]?.children[1]?.suite).toBe('aes256gcm16-x25519-esn');
    expect(pair.encrypts(PODS)).toBe(true);
  });

  it('do without a key exchange where that is offered too and the peer has none, and are rekeyed all the same', () => {
    const either = [proposal('aes256gcm16', 'x25519', 'esn'), proposal('aes256gcm16', 'esn')];
    const [none] = either.slice(1);
    const pair = new Pair().configure(
      { children: [childConfig({ proposals: either }), pods('10.1.0.0', '10.2.0.0', { proposals: either })] },
      {
        children: [
          childConfig({ proposals: [present(none)] }),
          pods('10.2.0.0', '10.1.0.0', { proposals: [present(none)] }),
        ],
      },
    );
    expect(pair.settle().encrypts(PODS)).toBe(true);
    expect(pair.status(pair.left).ikeSas[0]?.children[1]?.suite).toBe('aes256gcm16-esn');
    pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'pods' });
    pair.settle();
    const kinds = pair.left.facts.map(({ kind }) => kind);
    expect(kinds).toContain('childSaRekeyed');
    expect(kinds).not.toContain('rekeyFailed');
    expect(pair.encrypts(PODS)).toBe(true);
  });

  it('and follow the responder to another group of both proposals (RFC 7296 §1.3)', () => {
    const pair = new Pair().configure(
      {
        children: [
          childConfig(),
          pods('10.1.0.0', '10.2.0.0', { proposals: [proposal('aes256gcm16', 'x25519', 'ecp256', 'esn')] }),
        ],
      },
      {
        children: [
          childConfig(),
          pods('10.2.0.0', '10.1.0.0', { proposals: [proposal('aes256gcm16', 'ecp256', 'esn')] }),
        ],
      },
    );
    expect(pair.settle().encrypts(PODS)).toBe(true);
    expect(pair.status(pair.left).ikeSas[0]?.children[1]?.suite).toBe('aes256gcm16-ecp256-esn');
  });

  it('that the peer deletes come back on the same IKE SA', () => {
    const pair = twoChildren().settle();
    pair.command(pair.right, { kind: 'terminateChild', name: 'left', child: 'pods' });
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    expect(pair.packet(pair.left, PODS)).toBe('blocked');
    pair.advance(5_000);
    expect(pair.encrypts(PODS)).toBe(true);
    expect(pair.left.facts.filter((fact) => fact.kind === 'ikeSaEstablished')).toHaveLength(1);
  });

  it('asked for by both ends at once are there once at each', () => {
    const pair = twoChildren().settle();
    for (const side of [pair.left, pair.right]) {
      pair.command(side, { kind: 'terminateChild', name: pair.other(side).name, child: 'pods' });
    }
    pair.settle();
    for (const side of [pair.left, pair.right]) pair.command(side, { kind: 'initiate', name: pair.other(side).name });
    expect(pair.wire).toHaveLength(2);
    pair.settle().advance(20_000);
    expect(pair.encrypts(PODS)).toBe(true);
    expect(pair.sas(pair.left)).toHaveLength(4);
    expect(pair.sas(pair.right)).toHaveLength(4);
  });

  it('that are refused leave the others alone, and the text says what to compare', () => {
    const pair = new Pair().configure(
      { children: [childConfig(), pods('10.1.0.0', '10.2.0.0')] },
      { children: [childConfig(), pods('10.7.0.0', '10.1.0.0')] },
    );
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.left).lastFailure?.text).toBe(
      'right answered Child pods with TS_UNACCEPTABLE(38): compare selectors, mode and ESP proposals of both sides',
    );
  });
});

describe('CREATE_CHILD_SA of a peer', () => {
  it('replaces the pair of the same Child: sent on when the peer is known to have it, the older received on', () => {
    const peer = waiting().establish();
    const [before] = peer.pair.outbound(peer.subject);
    peer.espSpi = 0x0f0f0f0f;
    ask(peer, ...peer.child(), NONCE);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children).toHaveLength(2);
    const pin = () => peer.pair.policies(peer.subject).find((each) => each.direction === 'out')?.template?.spi;
    expect(pin()).toBe(before?.id.spi);
    peer.send(
      peer.request(ExchangeType.INFORMATIONAL, [
        { kind: 'delete', protocol: 3, spiSize: 4, spis: [spiToBytes(0x0e0e0e0e)] },
      ]),
    );
    peer.take();
    expect(pin()).toBe(0x0f0f0f0f);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children).toHaveLength(1);
  });

  it.each([
    ['protocol 0', { protocol: 0, spi: new Uint8Array(0) }],
    ['the protocol of IKE', { protocol: 1, spi: new Uint8Array(8) }],
  ] as const)('a REKEY_SA that names %s is INVALID_SYNTAX (CVE-2023-38710)', (_, named) => {
    const peer = waiting().establish();
    const answer = ask(peer, { ...notify(NotifyType.REKEY_SA), ...named }, ...peer.child(), NONCE);
    expect(notifyTypes(answer)).toEqual([NotifyType.INVALID_SYNTAX]);
  });

  it.each([
    ['selectors that we do not have', { far: true }, NotifyType.TS_UNACCEPTABLE],
    [
      'algorithms that we do not have',
      { sa: [espProposal(999, [transform(1, 20, 128), transform(5, 1)])] },
      NotifyType.NO_PROPOSAL_CHOSEN,
    ],
    ['tunnel mode, which is not configured', { transport: false }, NotifyType.NO_PROPOSAL_CHOSEN],
  ] as const)('a request with %s gets an error and the IKE SA stays', (_, change, expected) => {
    const peer = waiting().establish();
    const far = {
      tsType: 7,
      protocol: 0,
      startPort: 0,
      endPort: 65_535,
      start: Uint8Array.of(9, 0, 0, 0),
      end: Uint8Array.of(9, 0, 0, 9),
    } as const;
    const payloads = peer.child('far' in change ? { theirs: [far] } : change);
    expect(notifyTypes(ask(peer, ...payloads, NONCE))).toEqual([expected]);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [{}] }]);
  });

  it('Child SAs are bounded in number', () => {
    const pair = new Pair({ limits: { childrenPerIkeSa: 3 } });
    const peer = waiting({}, {}, pair).establish();
    const answers: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      peer.espSpi = 0x1000 + round;
      answers.push(...notifyTypes(ask(peer, ...peer.child(), NONCE)).filter((type) => type < 16_384));
    }
    expect(answers).toEqual([NotifyType.NO_ADDITIONAL_SAS, NotifyType.NO_ADDITIONAL_SAS, NotifyType.NO_ADDITIONAL_SAS]);
  });

  it('while the IKE SA is being deleted it is put off (RFC 7296 §2.25)', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'terminate', name: 'right' });
    peer.take();
    expect(notifyTypes(ask(peer, ...peer.child(), NONCE))).toEqual([NotifyType.TEMPORARY_FAILURE]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });

  it('a peer that takes no further Child SAs gets a new IKE SA', () => {
    const peer = waiting({ initiation: 'start', children: [childConfig(), pods('10.1.0.0', '10.2.0.0')] }).establish();
    peer.pair.command(peer.subject, { kind: 'initiate', name: 'right' });
    const request = peer.take();
    expect(headline(request)[0]).toBe(ExchangeType.CREATE_CHILD_SA);
    peer.send(peer.respond(request, [notify(NotifyType.NO_ADDITIONAL_SAS)]));
    peer.pair.at += 2_000;
    peer.pair.fire();
    expect(headline(peer.take())[0]).toBe(ExchangeType.IKE_SA_INIT);
    expect(texts(peer.subject, 'negotiationFailed')).toHaveLength(1);
  });

  it('comes first after an IKE_AUTH without a Child SA, which we say that we take (RFC 6023)', () => {
    const peer = waiting();
    peer.send(peer.initRequest());
    const { payloads } = peer.takeInitResponse(peer.take());
    expect(notifyTypes(payloads)).toContain(NotifyType.CHILDLESS_IKEV2_SUPPORTED);
    peer.send(peer.request(ExchangeType.IKE_AUTH, peer.proof()));
    expect(peer.open(peer.take()).map(({ kind }) => kind)).toContain('auth');
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
    expect(notifyTypes(ask(peer, ...peer.child(), NONCE))).toEqual([NotifyType.USE_TRANSPORT_MODE]);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ children: [{ name: 'hosts' }] }]);
  });

  it('asked for after an IKE_AUTH without one, where that is preferred, all have key exchanges of their own', () => {
    const proposals = [proposal('aes256gcm16', 'x25519', 'esn')];
    const children = (local: string, remote: string) => [
      childConfig({ proposals }),
      pods(local, remote, { proposals }),
    ];
    const pair = new Pair().configure(
      { childless: true, children: children('10.1.0.0', '10.2.0.0') },
      { children: children('10.2.0.0', '10.1.0.0') },
    );
    pair.settle();
    expect(pair.encrypts() && pair.encrypts(PODS)).toBe(true);
    const suites = pair.status(pair.right).ikeSas.flatMap((sa) => sa.children.map(({ suite }) => suite));
    expect(suites).toEqual(['aes256gcm16-x25519-esn', 'aes256gcm16-x25519-esn']);
    expect(texts(pair.left, 'negotiationFailed')).toEqual([]);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    for (let step = 0; step < 400; step += 1) {
      if (pair.wire.length > 0) pair.deliver();
      pair.at += 50;
      pair.fire();
      expect(pair.encrypts() && pair.encrypts(PODS), `step ${step}`).toBe(true);
    }
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: 2, children: [{}, {}] }]);
  });

  it('stands in IKE_AUTH all the same where the responder does not say that it takes one without', () => {
    const peer = calling({ childless: true });
    const payloads = peer.open(peer.accept());
    expect(payloads.map(({ kind }) => kind)).toContain('tsi');
  });
});
