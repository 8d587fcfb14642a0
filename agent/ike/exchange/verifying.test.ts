import { describe, expect, it } from 'vitest';
import { SCHEMES } from '../../pki/signature-scheme.ts';
import { ok } from '../../result.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { AuthMethod, CertEncoding, ExchangeType, NotifyType } from '../../wire/registry.ts';
import { pretendedCredential, showing, TRUST, TRUSTING } from '../testing/certificates.ts';
import { Pair, present } from '../testing/pair.ts';
import { calling, notifyTypes, type ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';
import type { VerificationJob } from '../types.ts';

const CERTIFICATE = { remoteAuthentication: TRUSTING };
/** Ed25519's AlgorithmIdentifier (RFC 8420), then what is to be the signature. */
const SIGNATURE = Uint8Array.of(7, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 9, 9, 9);
const CERT: Payload = { kind: 'cert', encoding: CertEncoding.X509_SIGNATURE, data: Uint8Array.of(0x30, 1, 2) };

/** The proof of a peer that signs. */
function signature(peer: ScriptedPeer): Payload[] {
  const [id] = peer.proof() as [Payload];
  return [id, CERT, { kind: 'auth', method: AuthMethod.DIGITAL_SIGNATURE, data: SIGNATURE }];
}

/** The subject has got an IKE_AUTH request with a signature and asks for its verification. */
function suspendedResponder(): {
  readonly peer: ScriptedPeer;
  readonly request: Uint8Array;
  readonly job: VerificationJob;
} {
  const peer = waiting(CERTIFICATE);
  const request = peer.begin((self) => [...signature(self), ...self.child()]);
  peer.send(request);
  const [job] = peer.subject.jobs;
  if (job === undefined) throw new Error('no verification was asked for');
  return { peer, request, job };
}

function suspendedInitiator(): {
  readonly peer: ScriptedPeer;
  readonly answer: Uint8Array;
  readonly job: VerificationJob;
} {
  const peer = calling(CERTIFICATE);
  const request = peer.accept();
  const answer = peer.respond(request, [...signature(peer), ...peer.child()]);
  peer.send(answer);
  const [job] = peer.subject.jobs;
  if (job === undefined) throw new Error('no verification was asked for');
  return { peer, answer, job };
}

function verified(peer: ScriptedPeer, job: number, reason?: string): void {
  const outcome =
    reason === undefined
      ? ({ ok: true, value: undefined } as const)
      : ({ ok: false, error: { kind: 'verificationRefusal', reason } } as const);
  peer.pair.handle(peer.subject, { kind: 'verified', job, outcome });
}

describe('verification of a responder’s or an initiator’s signature', () => {
  it('gets everything that it takes: chain, trust, identity, scheme, signature and the signed octets (RFC 7296 §2.15)', () => {
    const { peer, job } = suspendedResponder();
    expect(job).toMatchObject({
      connection: 'right',
      certificates: [Uint8Array.of(0x30, 1, 2)],
      identity: { data: new TextEncoder().encode('right') },
      trust: TRUST,
      scheme: SCHEMES.ed25519,
      signature: Uint8Array.of(9, 9, 9),
    });
    expect(job.signedOctets.length).toBeGreaterThan(100);
    expect(peer.waiting).toBe(0);
    expect(peer.pair.sas(peer.subject)).toEqual([]);
  });

  it('suspends the responder; true goes on where it stopped', () => {
    const { peer, job } = suspendedResponder();
    verified(peer, job.id);
    expect(peer.open(peer.take()).map((payload) => payload.kind)).toEqual([
      'idr',
      'auth',
      'notify',
      'notify',
      'sa',
      'tsi',
      'tsr',
    ]);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [{}] }]);
  });

  it('suspends the initiator; true goes on where it stopped', () => {
    const { peer, job } = suspendedInitiator();
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    verified(peer, job.id);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [{}] }]);
    expect(peer.pair.outbound(peer.subject)).toHaveLength(1);
  });

  it('absorbs repetitions while it lasts, and answers them with the one response afterwards', () => {
    const { peer, request, job } = suspendedResponder();
    for (let copy = 0; copy < 5; copy += 1) peer.send(request);
    expect(peer.subject.jobs).toHaveLength(1);
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'busy' });
    verified(peer, job.id);
    const response = peer.take();
    peer.send(request);
    expect(peer.take()).toEqual(response);
  });

  it.each(['response', 'request'] as const)(
    'of the %s of a peer that has begun anew meanwhile leads to nothing: what its new run has made stays',
    (kind) => {
      const mutual = (name: string) => ({ localAuthentication: showing(pretendedCredential(name)), ...CERTIFICATE });
      const pair = new Pair();
      pair.right.verify = () => ok(undefined);
      pair.configure(
        { ...mutual('left'), initiation: kind === 'response' ? 'start' : 'respond' },
        { ...mutual('right'), initiation: kind === 'response' ? 'respond' : 'start' },
      );
      for (let tries = 0; tries < 20 && pair.left.jobs.length === 0; tries += 1) pair.settle().advance(100);
      pair.restarted(pair.right, 33);
      pair.advanceLosing(100);
      pair.configureRight({ ...mutual('right'), initiation: 'start' });
      pair.settle();
      const [old, young] = pair.left.jobs.map(({ id }) => id);
      for (const job of [young, old]) {
        pair.handle(pair.left, { kind: 'verified', job: present(job), outcome: ok(undefined) });
        pair.settle();
      }
      expect(pair.encrypts()).toBe(true);
      expect(pair.status(pair.left).ikeSas).toHaveLength(1);
      pair.advance(60_000);
      expect(pair.encrypts()).toBe(true);
    },
  );

  it('repetitions of the answer do not ask the Verifier again', () => {
    const { peer, answer } = suspendedInitiator();
    for (let copy = 0; copy < 5; copy += 1) peer.send(answer);
    peer.pair.advanceLosing(5_000);
    expect(peer.subject.jobs).toHaveLength(1);
  });

  it('a refusal is AUTHENTICATION_FAILED to the initiator; the text says why', () => {
    const { peer, job } = suspendedResponder();
    verified(peer, job.id, 'the certificate has expired');
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual(['right was not believed: the certificate has expired']);
  });

  it('a refusal is told to the responder in a request, so that it deletes its IKE SA (RFC 7296 §2.21.2)', () => {
    const { peer, job } = suspendedInitiator();
    verified(peer, job.id, 'the chain leads to no trusted CA');
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });

  it('a peer that was refused gets no answer, which it would take for a sign that its Child SA is in use', () => {
    const { peer, job } = suspendedInitiator();
    verified(peer, job.id, 'the chain leads to no trusted CA');
    peer.take();
    peer.send(peer.request(ExchangeType.INFORMATIONAL, []));
    expect(peer.waiting).toBe(0);
    expect(peer.subject.facts.at(-1)).toMatchObject({ kind: 'datagramDropped', reason: 'unexpectedExchange' });
  });

  it('ends by itself when the Verifier does not answer in time; a late answer is ignored', () => {
    for (const make of [suspendedResponder, suspendedInitiator]) {
      const { peer, job } = make();
      peer.pair.advanceLosing(21_000);
      expect(texts(peer.subject, 'negotiationFailed')[0]).toBe('the certificate of right was not verified in time');
      peer.pair.wire.length = 0;
      verified(peer, job.id);
      expect(peer.pair.outbound(peer.subject)).toEqual([]);
      expect(peer.pair.wire).toEqual([]);
    }
  });

  it('an answer to a job that is not there, or that has been answered, changes nothing', () => {
    const { peer, job } = suspendedResponder();
    verified(peer, 4711);
    verified(peer, job.id);
    peer.take();
    verified(peer, job.id, 'twice');
    expect(peer.pair.status(peer.subject).ikeSas[0]?.state).toBe('established');
  });

  it('counts as half open until it has been answered, so that it cannot be used to get around the limit', () => {
    const { peer, job } = suspendedResponder();
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(1);
    verified(peer, job.id);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it('a removed connection ends it', () => {
    const { peer, job } = suspendedResponder();
    peer.pair.command(peer.subject, { kind: 'removeConnection', name: 'right' });
    verified(peer, job.id);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.subject.endpoint.status(peer.pair.at).connections).toEqual([]);
  });

  it('a pre-shared key does not do where a certificate is configured, be it right or wrong', () => {
    const peer = waiting(CERTIFICATE);
    expect(notifyTypes(peer.authenticate())).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(peer.subject.jobs).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right (right) authenticates with a pre-shared key, configured is a certificate',
    ]);
  });

  it('keeps no more certificates than the limit', () => {
    const peer = waiting(CERTIFICATE);
    const certs = Array.from({ length: 40 }, () => CERT);
    peer.send(peer.begin((self) => [...signature(self), ...certs, ...self.child()]));
    expect(peer.subject.jobs[0]?.certificates).toHaveLength(16);
  });

  it('one side may prove itself by a key and the other by a signature', () => {
    const pair = new Pair().configure(CERTIFICATE).settle();
    expect(texts(pair.left, 'negotiationFailed')[0]).toMatch(/authenticates with a pre-shared key/);
    expect(pair.sent.at(-1)?.bytes.at(18)).toBe(ExchangeType.INFORMATIONAL);
  });
});
