import { describe, expect, it } from 'vitest';

import type { DeletePayload } from '../../wire/payloads/delete.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType, Protocol } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { Pair, present } from '../testing/pair.ts';
import { headline, type ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';
import { spiToBytes } from './child-negotiation.ts';

const DELETE_IKE: DeletePayload = { kind: 'delete', protocol: Protocol.IKE, spiSize: 0, spis: [] };

function deleteEsp(...spis: readonly number[]): DeletePayload {
  return { kind: 'delete', protocol: Protocol.ESP, spiSize: 4, spis: spis.map(spiToBytes) };
}

/** Sends a request of the peer's and returns what the subject answers. */
function ask(peer: ScriptedPeer, ...payloads: readonly Payload[]): readonly Payload[] {
  peer.send(peer.request(ExchangeType.INFORMATIONAL, payloads));
  return peer.open(peer.take());
}

function inboundSpi(peer: ScriptedPeer): number {
  return present(peer.pair.status(peer.subject).ikeSas[0]?.children[0]).inboundSpi;
}

describe('deletes', () => {
  it('a peer deletes the Child SA by the SPI it receives on and is answered with ours (RFC 7296 §1.4.1)', () => {
    const peer = waiting().establish();
    const spi = inboundSpi(peer);
    expect(ask(peer, deleteEsp(peer.espSpi))).toEqual([deleteEsp(spi)]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.packet(peer.subject)).toBe('blocked');
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
  });

  it('and then the IKE SA, which is answered with nothing and leaves nothing (RFC 7296 §1.4.1)', () => {
    const peer = waiting().establish();
    ask(peer, deleteEsp(peer.espSpi));
    expect(ask(peer, DELETE_IKE)).toEqual([]);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
    peer.pair.advanceLosing(60_000);
    expect(peer.pair.sas(peer.subject)).toEqual([]);
    expect(peer.subject.endpoint.nextDeadline()).toBeUndefined();
  });

  it('the IKE SA takes its Child SAs along; the policies stay and block', () => {
    const peer = waiting().establish();
    ask(peer, DELETE_IKE);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.policies(peer.subject)).toHaveLength(2);
    expect(peer.pair.packet(peer.subject)).toBe('blocked');
  });

  it('looks at nothing that follows the Delete of the IKE SA in the same message (CVE-2023-38712)', () => {
    const peer = waiting().establish();
    expect(ask(peer, DELETE_IKE, deleteEsp(peer.espSpi), notify(NotifyType.INITIAL_CONTACT))).toEqual([]);
    expect(peer.subject.facts.filter((fact) => fact.kind === 'childSaClosed')).toHaveLength(1);
  });

  it.each([
    ['the SPI that we receive on', (p: ScriptedPeer) => deleteEsp(inboundSpi(p))],
    ['an SPI that is not there', () => deleteEsp(4711)],
    ['AH', (p: ScriptedPeer) => ({ ...deleteEsp(p.espSpi), protocol: Protocol.AH })],
    ['no SPI at all', () => deleteEsp()],
  ] as const)('a Delete that names %s deletes nothing and is answered (RFC 7296 §1.4.1)', (_, payload) => {
    const peer = waiting().establish();
    expect(ask(peer, payload(peer))).toEqual([]);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
  });

  it('an SPI that is named twice is deleted and answered once', () => {
    const peer = waiting().establish();
    const spi = inboundSpi(peer);
    expect(ask(peer, deleteEsp(peer.espSpi, peer.espSpi), deleteEsp(peer.espSpi))).toEqual([deleteEsp(spi)]);
  });

  it('both ends delete the Child SA at once: each answers without an SPI, the IKE SA stays (RFC 7296 §1.4.1)', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    const ours = peer.take();
    expect(ask(peer, deleteEsp(peer.espSpi))).toEqual([]);
    peer.send(peer.respond(ours, []));
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.status(peer.subject).ikeSas).toHaveLength(1);
  });

  it('both ends delete the IKE SA at once: both are answered and both are rid of it', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' });
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    pair.settle();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.command(pair.right, { kind: 'terminate', name: 'left' });
    expect(pair.wire).toHaveLength(2);
    pair.settle();
    for (const side of [pair.left, pair.right]) {
      expect(pair.status(side).ikeSas).toEqual([]);
      expect(pair.outbound(side)).toEqual([]);
    }
    pair.advance(60_000);
    expect(pair.sent.slice(4)).toHaveLength(4);
  });

  it('a Delete that is lost is repeated, and one that nobody answers ends the IKE SA all the same', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' });
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    pair.settle();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    expect(pair.outbound(pair.left)).toEqual([]);
    pair.advanceLosing(9_000);
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ state: 'deleting' }]);
    pair.advanceLosing(2_000);
    expect(pair.status(pair.left).ikeSas).toEqual([]);
  });

  it('a repeated Delete of the IKE SA is answered again although the IKE SA is gone (RFC 7296 §2.1)', () => {
    const peer = waiting().establish();
    const request = peer.request(ExchangeType.INFORMATIONAL, [DELETE_IKE]);
    peer.send(request);
    const answer = peer.take();
    peer.pair.at += 5_000;
    peer.send(request);
    expect(peer.take()).toEqual(answer);
  });

  it('a hard expiry in the kernel is told to the peer', () => {
    const peer = waiting().establish();
    const spi = inboundSpi(peer);
    const id = { destination: peer.subject.address, spi };
    peer.pair.handle(peer.subject, { kind: 'kernel', event: { kind: 'expire', id, reqid: 0x6000_0001, hard: true } });
    expect(peer.open(peer.take())).toEqual([deleteEsp(spi)]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });
});

describe('notifies', () => {
  it('unknown ones, and INITIAL_CONTACT in the wrong place, are answered, reported and change nothing (RFC 7296 §3.10.1)', () => {
    const peer = waiting().establish();
    expect(ask(peer, notify(NotifyType.INITIAL_CONTACT), notify(40_000), notify(9_999))).toEqual([]);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
    const ignored = peer.subject.facts.flatMap((fact) => (fact.kind === 'notifyIgnored' ? [fact.notifyType] : []));
    expect(ignored).toEqual([NotifyType.INITIAL_CONTACT, 40_000, 9_999]);
  });

  it.each([NotifyType.INVALID_SYNTAX, NotifyType.AUTHENTICATION_FAILED])(
    'an authenticated %i in an answer means that the peer has given up (RFC 7296 §2.21.3)',
    (type) => {
      const peer = waiting().establish();
      peer.pair.command(peer.subject, { kind: 'checkLiveness', name: 'right' });
      peer.send(peer.respond(peer.take(), [notify(type)]));
      expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
      expect(peer.pair.outbound(peer.subject)).toEqual([]);
      expect(texts(peer.subject, 'negotiationFailed')[0]).toMatch(/^right \(192.0.2.2\) /);
    },
  );

  it('a malformed request of an authenticated peer is INVALID_SYNTAX, and the IKE SA ends at both ends (RFC 7296 §2.21.3)', () => {
    const peer = waiting().establish();
    const answer = ask(peer, { kind: 'unknown', type: 42, critical: false, data: Uint8Array.of(3, 4, 0, 9, 1) });
    expect(answer).toEqual([notify(NotifyType.INVALID_SYNTAX)]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')[0]).toMatch(/^right sent what we cannot read: Num of SPIs /);
  });

  it('a critical payload of unknown type is refused by name and the IKE SA stays (RFC 7296 §2.5)', () => {
    const peer = waiting().establish();
    const answer = ask(peer, { kind: 'unknown', type: 222, critical: true, data: new Uint8Array(1) }, DELETE_IKE);
    expect(answer).toEqual([notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(222))]);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
  });

  it('an answer to a Delete that cannot be read ends the matter: there is no second Delete', () => {
    const peer = waiting().establish();
    peer.pair.command(peer.subject, { kind: 'terminate', name: 'right' });
    const request = peer.take();
    peer.send(peer.respond(request, [{ kind: 'unknown', type: 222, critical: true, data: new Uint8Array(1) }]));
    expect(peer.waiting).toBe(0);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
  });
});

describe('liveness', () => {
  it('is asked about only when the peer has been silent (RFC 7296 §2.4)', () => {
    const peer = waiting().establish();
    for (let minute = 0; minute < 5; minute += 1) {
      peer.pair.advanceLosing(29_000);
      ask(peer);
    }
    expect(peer.subject.facts.filter((fact) => fact.kind === 'livenessChecked')).toEqual([]);
    peer.pair.at += 31_001;
    peer.pair.fire();
    const request = peer.take();
    expect(headline(request)).toEqual([ExchangeType.INFORMATIONAL, 0, 'request']);
    expect(peer.open(request)).toEqual([]);
  });

  it('is proved by nothing that is not authenticated', () => {
    const peer = waiting().establish();
    peer.pair.advanceLosing(30_000);
    const forged = peer.request(ExchangeType.INFORMATIONAL, []);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    peer.send(forged);
    peer.pair.advanceLosing(1_500);
    expect(peer.subject.facts.filter((fact) => fact.kind === 'livenessChecked')).toHaveLength(1);
  });

  it('is asked about once at a time, however long the answer takes', () => {
    const peer = waiting().establish();
    peer.pair.advanceLosing(45_000);
    const request = present(peer.pair.sent.at(-1)).bytes;
    peer.send(peer.respond(request, []));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.filter((fact) => fact.kind === 'livenessChecked')).toHaveLength(1);
  });

  it('two quiet ends keep each other alive with few messages', () => {
    const pair = new Pair().configure().settle();
    const before = pair.sent.length;
    pair.advance(600_000);
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: 1, state: 'established' }]);
    expect(pair.sent.length - before).toBeLessThanOrEqual(2 * 20);
    expect(pair.encrypts()).toBe(true);
  });

  it('a dead peer is given up without a Delete; its kernel may be alive, so the SAs stay in use (RFC 7296 §2.4)', () => {
    const pair = new Pair().configure().settle();
    const base = pair.policies(pair.left);
    pair.advanceLosing(29_000);
    const before = pair.sent.length;
    expect(pair.sas(pair.left)).toHaveLength(2);
    const sas = pair.sas(pair.left);
    pair.advanceLosing(64_000);
    expect(pair.sas(pair.left)).toEqual(sas);
    expect(pair.policies(pair.left)).toEqual(base);
    expect(pair.encrypts()).toBe(true);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'ikeSaClosed', reason: 'peerDead' }));
    expect(pair.left.endpoint.status(pair.at).connections[0]?.lastFailure?.text).toMatch(
      /^right \(192\.0\.2\.2\) has stopped answering, and nothing has come from it for 9\d s: is it running/,
    );
    const requests = new Set(
      pair.sent.slice(before).flatMap(({ from, bytes }) => (from === pair.left ? [headline(bytes).join()] : [])),
    );
    expect([...requests]).toEqual([`${ExchangeType.INFORMATIONAL},2,request`, `${ExchangeType.IKE_SA_INIT},0,request`]);
  });

  it('and called again until it is back', () => {
    const pair = new Pair().configure().settle();
    pair.advanceLosing(600_000);
    pair.advance(90_000);
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(pair.status(pair.right).ikeSas).toHaveLength(1);
  });

  it('an unprotected message makes it ask a peer that has been silent, at most once at a time (RFC 7296 §2.4)', () => {
    const peer = waiting().establish();
    const forged = peer.unprotected(ExchangeType.INFORMATIONAL, peer.nextId, false, [
      notify(NotifyType.INVALID_IKE_SPI),
    ]);
    peer.send(forged);
    expect(peer.waiting).toBe(0);
    peer.pair.at += 2_000;
    for (let copy = 0; copy < 50; copy += 1) peer.send(forged);
    expect(peer.waiting).toBe(1);
    peer.send(peer.respond(peer.take(), []));
    for (let copy = 0; copy < 50; copy += 1) peer.send(forged);
    expect(peer.waiting).toBe(0);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
  });
});
