import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../crypto/secret.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { AuthMethod, ExchangeType, IdType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { byPreSharedKey } from '../negotiation/authentication.ts';
import { fqdn, Pair } from '../testing/pair.ts';
import { calling, headline, notifyTypes, type ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';

function otherKey(): SecretBytes {
  return new SecretBytes(new TextEncoder().encode('another secret'));
}

describe('IKE_AUTH with a pre-shared key', () => {
  it('two sides with one key have a Child SA with the same SPIs, suite and keys, and packets pass encrypted', () => {
    const pair = new Pair().configure().settle();
    const [left] = pair.status(pair.left).ikeSas;
    const [right] = pair.status(pair.right).ikeSas;
    expect(left?.state).toBe('established');
    expect([left?.children[0]?.inboundSpi, left?.children[0]?.outboundSpi]).toEqual([
      right?.children[0]?.outboundSpi,
      right?.children[0]?.inboundSpi,
    ]);
    expect(left?.children[0]).toMatchObject({ suite: 'aes256gcm16-esn', mode: 'transport', state: 'installed' });
    expect(pair.encrypts()).toBe(true);
  });

  it('a wrong key fails cleanly at both ends: no SA, policies as they were, and each end names the other', () => {
    const pair = new Pair().configure({}, byPreSharedKey(otherKey()));
    const before = [pair.policies(pair.left), pair.policies(pair.right)];
    pair.settle();
    for (const side of [pair.left, pair.right]) {
      expect(pair.status(side).ikeSas).toEqual([]);
      expect(pair.outbound(side)).toEqual([]);
      expect(side.endpoint.status(pair.at).halfOpen).toBe(0);
    }
    expect([pair.policies(pair.left), pair.policies(pair.right)]).toEqual(before);
    expect(texts(pair.right, 'negotiationFailed')).toEqual([
      'left (left) has another pre-shared key: give both sides the same',
    ]);
    expect(texts(pair.left, 'negotiationFailed')).toEqual([
      'right (192.0.2.2) does not accept us as left: compare the pre-shared keys and identities of both sides',
    ]);
    expect(pair.packet(pair.left)).toBe('blocked');
  });

  it('says AUTHENTICATION_FAILED again when the refusal was lost (RFC 7296 §2.1)', () => {
    const pair = new Pair().configure({}, byPreSharedKey(otherKey()));
    pair.fire();
    pair.deliver();
    pair.deliver();
    pair.deliver();
    const refusal = pair.wire.shift();
    pair.at += 3_000;
    pair.fire();
    pair.deliver();
    expect(pair.wire[0]?.bytes).toEqual(refusal?.bytes);
    pair.settle();
    expect(texts(pair.left, 'negotiationFailed')).toHaveLength(1);
  });

  it('keeps trying after a refusal, ever more rarely, and succeeds once the keys are alike', () => {
    const pair = new Pair().configure({}, byPreSharedKey(otherKey()));
    pair.advance(600_000);
    const attempts = pair.right.facts.filter((fact) => fact.kind === 'negotiationFailed').length;
    expect(attempts).toBeGreaterThan(8);
    expect(attempts).toBeLessThan(20);
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    pair.configureRight();
    pair.advance(80_000);
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.left).lastFailure).toBeUndefined();
  });

  it('an initiator that does not believe the responder tells it, so that neither keeps an SA (RFC 7296 §2.21.2)', () => {
    const peer = calling();
    const request = peer.accept();
    const [id, auth] = peer.proof() as [Payload, { data: Uint8Array } & Payload];
    const forged = { ...auth, data: auth.data.map((byte) => byte ^ 1) };
    peer.send(peer.respond(request, [id, forged, ...peer.child()]));
    const said = peer.take();
    expect(headline(said)).toEqual([ExchangeType.INFORMATIONAL, 2, 'request']);
    expect(notifyTypes(peer.open(said))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.open(said).some((payload) => payload.kind === 'delete')).toBe(true);
    peer.send(peer.respond(said, []));
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right (right) has another pre-shared key: give both sides the same',
    ]);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'ikeSaClosed', established: false });
  });

  it('a peer that gives up with AUTHENTICATION_FAILED alone, without a Delete, takes the IKE SA along (RFC 7296 §2.21.2)', () => {
    const peer = waiting().establish();
    peer.send(peer.request(ExchangeType.INFORMATIONAL, [notify(NotifyType.AUTHENTICATION_FAILED)]));
    expect(peer.open(peer.take())).toEqual([]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right (192.0.2.2) does not accept our proof: compare the pre-shared keys of both sides',
    ]);
  });

  it('counts the reserved bits of the identity as they came, because they are signed (RFC 7296 §2.15, §3.5)', () => {
    const peer = waiting();
    const answer = peer.authenticate(() => [...peer.proof({ reserved: 0x123456 }), ...peer.child()]);
    expect(peer.believes(answer)).toBe(true);
  });

  it.each([
    ['a signature in place of a key', { method: AuthMethod.DIGITAL_SIGNATURE }],
    ['an empty proof', { data: new Uint8Array(0) }],
    ['a proof that is too long', { data: new Uint8Array(49) }],
  ] as const)('does not believe %s', (_, change) => {
    const peer = waiting();
    const answer = peer.authenticate(() => {
      const [id, auth] = peer.proof() as [Payload, Payload];
      return [id, { ...auth, ...change } as Payload, ...peer.child()];
    });
    expect(notifyTypes(answer)).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
  });

  it('does not believe a proof that was given for another IKE SA (RFC 7296 §2.15)', () => {
    const peer = waiting();
    peer.begin();
    const old = peer.proof();
    peer.localSpi = '1111111111111111' as never;
    expect(notifyTypes(peer.authenticate(() => [...old, ...peer.child()]))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
  });

  it('does not believe the proof that it gave itself when it is reflected, whoever is the initiator', () => {
    const peer = calling();
    const request = peer.accept();
    const own = peer.open(request).filter((payload) => payload.kind === 'auth');
    peer.send(peer.respond(request, [...peer.proof().slice(0, 1), ...own, ...peer.child()]));
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
  });

  it('refuses EAP, which is asked for by leaving AUTH out', () => {
    const peer = waiting();
    const answer = peer.authenticate(() => [...peer.proof().slice(0, 1), ...peer.child()]);
    expect(notifyTypes(answer)).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual(['right wants EAP, which is not configured here']);
  });
});

describe('identities', () => {
  it('an initiator of another identity is refused, and the text says who it was and what to do', () => {
    const pair = new Pair().configure({ localIdentity: fqdn('mallory') }).settle();
    expect(pair.outbound(pair.right)).toEqual([]);
    expect(texts(pair.right, 'negotiationFailed')).toEqual([
      'mallory at 192.0.2.1 asking for right matches no configured peer: check the identities on both sides',
    ]);
    expect(pair.status(pair.left).lastFailure?.text).toMatch(/^right \(192.0.2.2\) does not accept us as mallory/);
  });

  it('an initiator that asks for somebody else is refused', () => {
    const peer = waiting();
    const other: Payload = { kind: 'idr', idType: IdType.ID_FQDN, reserved: 0, data: fqdn('another').data };
    const answer = peer.authenticate(() => [...peer.proof(), other, ...peer.child()]);
    expect(notifyTypes(answer)).toEqual([NotifyType.AUTHENTICATION_FAILED]);
  });

  it('a responder of another identity is refused and told, though it has the key (IDr mismatch)', () => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, [...peer.proof({ identity: fqdn('mallory') }), ...peer.child()]));
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      '192.0.2.2 says it is mallory, configured for right is right',
    ]);
  });

  it('names are compared without regard to case, and control characters never reach a text (CVE-2023-28771)', () => {
    expect(notifyTypes(waiting().authenticate())).not.toContain(NotifyType.AUTHENTICATION_FAILED);
    const upper = waiting();
    upper.authenticate(() => [...upper.proof({ identity: fqdn('RIGHT') }), ...upper.child()]);
    expect(upper.pair.status(upper.subject).ikeSas[0]?.state).toBe('established');
    const shell = waiting();
    shell.authenticate(() => [...shell.proof({ identity: fqdn('\u001b[2J;`reboot`\n') }), ...shell.child()]);
    expect(texts(shell.subject, 'negotiationFailed')[0]).toMatch(/^\?\[2J;`reboot`\? at 192.0.2.2/);
  });

  it('several peers behind one address are told apart by their identities', () => {
    const pair = new Pair();
    pair.configureLeft({ initiation: 'respond', name: 'first', remoteIdentity: fqdn('first') });
    pair.configureLeft({ initiation: 'respond' });
    pair.configureRight({ initiation: 'start' });
    pair.settle();
    const established = pair.left.endpoint.status(pair.at).connections.map(({ name, ikeSas }) => [name, ikeSas.length]);
    expect(established).toEqual([
      ['first', 0],
      ['right', 1],
    ]);
  });

  it('a peer of unknown address is known by its identity', () => {
    const pair = new Pair();
    pair.configureRight({ remoteAddress: 'any' });
    pair.configureLeft();
    expect(pair.settle().encrypts()).toBe(true);
  });
});

describe('the form of IKE_AUTH', () => {
  const critical: Payload = { kind: 'unknown', type: 200, critical: true, data: new Uint8Array(3) };

  it('a critical payload of unknown type inside SK is named in the answer, and nothing is agreed (RFC 7296 §2.5)', () => {
    const peer = waiting();
    const answer = peer.authenticate(() => [...peer.proof(), ...peer.child(), critical]);
    expect(answer).toEqual([notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(200))]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it('an uncritical one is passed over (RFC 7296 §2.5)', () => {
    const peer = waiting();
    peer.authenticate(() => [...peer.proof(), { ...critical, critical: false } as Payload, ...peer.child()]);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.state).toBe('established');
  });

  it.each([
    ['no identity', (p: ScriptedPeer) => [...p.proof().slice(1), ...p.child()]],
    ['two proofs', (p: ScriptedPeer) => [...p.proof(), ...p.proof().slice(1), ...p.child()]],
    ['selectors without SA', (p: ScriptedPeer) => [...p.proof(), ...p.child().slice(2)]],
  ] as const)('%s is INVALID_SYNTAX, and the IKE SA ends (RFC 7296 §2.21.2)', (_, payloads) => {
    const peer = waiting();
    expect(notifyTypes(peer.authenticate(payloads))).toEqual([NotifyType.INVALID_SYNTAX]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });

  it('an unreadable answer makes the initiator delete what the peer has established (RFC 7296 §2.21.2)', () => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child(), critical]));
    const said = peer.take();
    expect(peer.open(said).map((payload) => payload.kind)).toEqual(['delete']);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.status(peer.subject).lastFailure?.text).toMatch(
      /^right sent what we cannot read: critical payload of type 200 is not supported/,
    );
  });

  it('without a Child SA establishes the IKE SA alone (RFC 6023)', () => {
    const peer = waiting();
    const answer = peer.authenticate(() => peer.proof());
    expect(answer.map((payload) => payload.kind)).toEqual(['idr', 'auth', 'notify']);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
  });

  it('an answer without a Child SA and without an error leaves the IKE SA and says so', () => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, peer.proof()));
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right answered Child hosts with no Child SA: see its log',
    ]);
  });

  it('the peer sees first what we are: identities, proof, INITIAL_CONTACT once, and one Child SA', () => {
    const peer = calling();
    const payloads = peer.open(peer.accept());
    expect(payloads.map((payload) => payload.kind)).toEqual([
      'idi',
      'idr',
      'auth',
      'notify',
      'notify',
      'sa',
      'tsi',
      'tsr',
    ]);
    expect(notifyTypes(payloads)).toEqual([NotifyType.INITIAL_CONTACT, NotifyType.USE_TRANSPORT_MODE]);
  });
});
