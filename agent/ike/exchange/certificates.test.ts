import { describe, expect, it } from 'vitest';

import { bytesFromHex, concatenate } from '../../crypto/bytes.ts';
import { notifyOf } from '../../wire/notify-data.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { AuthMethod, CertEncoding, HashAlgorithm, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { pretendedCredential, showing, TRUST, TRUSTING } from '../testing/certificates.ts';
import { calling, notifyTypes, parsed, type ScriptedPeer, texts, waiting } from '../testing/scripted-peer.ts';
import type { LocalAuthentication } from '../types.ts';

const HASHES = notifyOf({ kind: 'signatureHashAlgorithms', algorithms: [HashAlgorithm.SHA2_384] });
const [AUTHORITY_1, AUTHORITY_2, AUTHORITY_3] = ['11', '22', '33'].map((byte) => byte.repeat(20)) as [
  string,
  string,
  string,
];

function request(...authorities: readonly string[]): Payload {
  return { kind: 'certreq', encoding: CertEncoding.X509_SIGNATURE, data: concatenate(authorities.map(bytesFromHex)) };
}

/** What the subject says in IKE_AUTH as initiator, to a responder that adds `more` to its IKE_SA_INIT response. */
function said(local: LocalAuthentication, ...more: readonly Payload[]): readonly Payload[] {
  const peer = calling({ localAuthentication: local });
  peer.send(peer.initResponse(peer.take(), [peer.sa, peer.ke, peer.ni, ...more]));
  return peer.open(peer.take());
}

function kinds(payloads: readonly Payload[]): readonly string[] {
  return payloads.map(({ kind }) => kind);
}

function certificates(payloads: readonly Payload[]): readonly string[] {
  return payloads.flatMap((each) => (each.kind === 'cert' ? [new TextDecoder().decode(each.data)] : []));
}

function auth(payloads: readonly Payload[]): readonly [number, string] | undefined {
  const found = payloads.find((each) => each.kind === 'auth');
  return found && [found.method, /(?:ECDSA|RSA) .*$/.exec(new TextDecoder().decode(found.data))?.[0] ?? ''];
}

describe('IKE_SA_INIT where certificates are configured', () => {
  it('says which hashes we accept, never SHA-1; with pre-shared keys on both sides it does not (RFC 7427 §4)', () => {
    for (const [changes, expected] of [
      [{ remoteAuthentication: TRUSTING }, [2, 3, 4, 5]],
      [{ localAuthentication: showing(pretendedCredential('a')) }, [2, 3, 4, 5]],
      [{}, undefined],
    ] as const) {
      const { payloads } = parsed(calling(changes).take());
      const hashes = payloads.find(
        (each) => each.kind === 'notify' && each.notifyType === NotifyType.SIGNATURE_HASH_ALGORITHMS,
      );
      expect(hashes?.kind === 'notify' ? [...hashes.data].filter((_, index) => index % 2 === 1) : undefined).toEqual(
        expected,
      );
    }
  });

  it('is answered with our hashes only to a peer that says its own, and with a CERTREQ of every trusted authority', () => {
    const peer = waiting({ remoteAuthentication: TRUSTING });
    peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, HASHES]));
    const response = parsed(peer.take()).payloads;
    expect(notifyTypes(response)).toContain(NotifyType.SIGNATURE_HASH_ALGORITHMS);
    expect(response.filter(({ kind }) => kind === 'certreq')).toEqual([request(AUTHORITY_1, AUTHORITY_2)]);
    const older = waiting({ remoteAuthentication: TRUSTING });
    older.send(older.initRequest());
    expect(notifyTypes(parsed(older.take()).payloads)).not.toContain(NotifyType.SIGNATURE_HASH_ALGORITHMS);
  });

  it('has a nonce of an even number of bytes, whatever the CERTREQ takes: OpenIKED refuses any other', () => {
    for (const changes of [
      { remoteAuthentication: TRUSTING },
      { remoteAuthentication: TRUSTING, childless: true },
      {},
    ]) {
      const nonce = parsed(calling(changes).take()).payloads.find(({ kind }) => kind === 'nonce');
      expect(nonce?.kind === 'nonce' && nonce.data.length % 2).toBe(0);
    }
  });

  it('asks for no certificate from a peer that is to show a pre-shared key', () => {
    const peer = waiting({ localAuthentication: showing(pretendedCredential('a')) });
    peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, HASHES]));
    expect(kinds(parsed(peer.take()).payloads)).not.toContain('certreq');
  });
});

describe('our proof by certificate', () => {
  it('is the certificate with its intermediates in order, a CERTREQ, and a signature by a hash of the peer’s list', () => {
    const chain = ['node', 'intermediate'].map((name) => new TextEncoder().encode(name));
    const peer = calling({
      localAuthentication: showing(pretendedCredential('node', { certificates: chain })),
      remoteAuthentication: TRUSTING,
    });
    peer.send(peer.initResponse(peer.take(), [peer.sa, peer.ke, peer.ni, HASHES]));
    const payloads = peer.open(peer.take());
    expect(kinds(payloads).slice(0, 6)).toEqual(['idi', 'cert', 'cert', 'certreq', 'idr', 'auth']);
    expect(certificates(payloads)).toEqual(['node', 'intermediate']);
    expect(payloads.find(({ kind }) => kind === 'certreq')).toEqual(request(AUTHORITY_1, AUTHORITY_2));
    expect(auth(payloads)).toEqual([AuthMethod.DIGITAL_SIGNATURE, 'ECDSA SHA2-384']);
  });

  it('is sent although the peer has not asked for it (RFC 7296 §3.7)', () => {
    expect(certificates(said(showing(pretendedCredential('node')), HASHES))).toEqual(['node']);
  });

  it('is by the certificate whose authority a CERTREQ names, in whichever of several it stands; else by the first', () => {
    const own = showing(
      pretendedCredential('old', { authorities: [AUTHORITY_1] }),
      pretendedCredential('new', { authorities: [AUTHORITY_3, AUTHORITY_2] }),
    );
    expect(certificates(said(own, HASHES, request(AUTHORITY_2)))).toEqual(['new']);
    expect(certificates(said(own, HASHES, request('44'.repeat(20)), request('55'.repeat(20), AUTHORITY_2)))).toEqual([
      'new',
    ]);
    expect(certificates(said(own, HASHES, request('44'.repeat(20))))).toEqual(['old']);
    expect(certificates(said(own, HASHES, request(AUTHORITY_2, AUTHORITY_1)))).toEqual(['old']);
    expect(certificates(said(own, HASHES, request()))).toEqual(['old']);
    const otherEncoding: Payload = {
      kind: 'certreq',
      encoding: CertEncoding.HASH_AND_URL_X509,
      data: bytesFromHex(AUTHORITY_2),
    };
    expect(certificates(said(own, HASHES, otherEncoding))).toEqual(['old']);
  });

  it('of a responder is by the certificate that the CERTREQ in IKE_AUTH names', () => {
    const peer = waiting({
      localAuthentication: showing(
        pretendedCredential('old', { authorities: [AUTHORITY_1] }),
        pretendedCredential('new', { authorities: [AUTHORITY_2] }),
      ),
    });
    peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, HASHES]));
    peer.takeInitResponse(peer.take());
    peer.send(peer.request(35, [...peer.proof(), request(AUTHORITY_2), ...peer.child()]));
    const answer = peer.open(peer.take());
    expect(kinds(answer).slice(0, 3)).toEqual(['idr', 'cert', 'auth']);
    expect(certificates(answer)).toEqual(['new']);
    expect(peer.pair.status(peer.subject).ikeSas).toMatchObject([{ state: 'established', children: [{}] }]);
  });

  it.each([
    ['ecdsaP256', [9, 'ECDSA P-256 SHA2-256']],
    ['ecdsaP384', [10, 'ECDSA P-384 SHA2-384']],
    ['ecdsaP521', [11, 'ECDSA P-521 SHA2-512']],
  ] as const)('with a key %s is by the older method for a peer that does not know RFC 7427', (kind, expected) => {
    expect(auth(said(showing(pretendedCredential('node', {}, kind))))).toEqual(expected);
  });

  it('with an RSA key is by method 1, SHA-1, only where the configuration allows it', () => {
    const local = showing(pretendedCredential('node', {}, 'rsa'));
    const allowed: LocalAuthentication = { ...local, ...{ signatures: { rsaPadding: 'PSS', rsaSha1: true } } };
    expect(auth(said(allowed))).toEqual([1, 'RSA PKCS #1 SHA-1']);
    const peer = calling({ localAuthentication: local });
    peer.send(peer.initResponse(peer.take()));
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right cannot check our signature: it knows RSA signatures with SHA-1 only (no SIGNATURE_HASH_ALGORITHMS, ' +
        'RFC 7427): update it, give this side an ECDSA certificate, or allow rsaSha1 for it',
    ]);
    expect(peer.waiting).toBe(0);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
  });

  it('that a responder cannot give ends in AUTHENTICATION_FAILED, with the reason in the log', () => {
    const peer = waiting({ localAuthentication: showing(pretendedCredential('node', {}, 'ed25519')) });
    peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, HASHES]));
    peer.takeInitResponse(peer.take());
    peer.send(peer.request(35, [...peer.proof(), ...peer.child()]));
    expect(notifyTypes(peer.open(peer.take()))).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right cannot check our signature: it does not understand ed25519 signatures (RFC 8420): give this side an RSA or ' +
        'ECDSA certificate',
    ]);
    expect(peer.subject.endpoint.status(peer.pair.at).halfOpen).toBe(0);
  });

  it('that the peer refuses leads to the words that help with certificates', () => {
    const peer = calling({ localAuthentication: showing(pretendedCredential('node')) });
    peer.send(peer.initResponse(peer.take(), [peer.sa, peer.ke, peer.ni, HASHES]));
    peer.send(peer.respond(peer.take(), [notify(NotifyType.AUTHENTICATION_FAILED)]));
    expect(texts(peer.subject, 'negotiationFailed')[0]).toMatch(
      /^right \(192\.0\.2\.2\) does not accept us as left: its log tells why it does not believe our certificate/,
    );
  });
});

describe('a peer’s proof by certificate', () => {
  const trusting = { remoteAuthentication: TRUSTING };
  const cert: Payload = { kind: 'cert', encoding: CertEncoding.X509_SIGNATURE, data: Uint8Array.of(0x30, 0) };

  function refusal(
    method: number,
    data: Uint8Array,
    certs: readonly Payload[] = [cert],
    changes = trusting,
  ): string | undefined {
    const peer = waiting(changes);
    const proven = (self: ScriptedPeer): Payload[] => [
      self.proof()[0] as Payload,
      ...certs,
      { kind: 'auth', method, data },
    ];
    const payloads = peer.authenticate((self) => [...proven(self), ...self.child()]);
    expect(peer.subject.jobs).toEqual([]);
    expect(notifyTypes(payloads)).toEqual([NotifyType.AUTHENTICATION_FAILED]);
    return texts(peer.subject, 'negotiationFailed')[0]?.replace(/^right \(right\) /, '');
  }

  const ed25519 = Uint8Array.of(7, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 1);

  it('without a certificate, or with one in another form only, is refused at once', () => {
    const url: Payload = { kind: 'cert', encoding: CertEncoding.HASH_AND_URL_X509, data: Uint8Array.of(1) };
    for (const certs of [[], [url]]) {
      expect(refusal(AuthMethod.DIGITAL_SIGNATURE, ed25519, certs)).toMatch(/^sent no X\.509 certificate/);
    }
  });

  it.each([
    ['no data', Uint8Array.of()],
    ['a length that leads beyond the end', Uint8Array.of(200, 0x30, 5)],
    ['no signature', ed25519.subarray(0, 8)],
  ])('whose AUTH has %s is refused at once', (_, data) => {
    expect(refusal(AuthMethod.DIGITAL_SIGNATURE, data)).toBe('sent a signature that is cut short');
  });

  it('with SHA-1 is refused at once, by method 14 and by method 1', () => {
    const sha1 = bytesFromHex(`0f300d06092a864886f70d0101050500${'00'.repeat(256)}`);
    expect(refusal(AuthMethod.DIGITAL_SIGNATURE, sha1)).toBe('signs with SHA-1, which we never offer (RFC 7427 §4)');
    expect(refusal(AuthMethod.RSA_SIGNATURE, new Uint8Array(256))).toMatch(/^signs with RSA and SHA-1/);
  });

  it('by a method that is no signature is refused at once', () => {
    expect(refusal(AuthMethod.NULL, Uint8Array.of(1))).toBe('authenticates with NULL(13), which is not supported');
    expect(refusal(AuthMethod.DSS_SIGNATURE, Uint8Array.of(1))).toMatch(/^authenticates with DSS/);
  });

  it('by method 1 goes to the Verifier where the configuration allows it', () => {
    const peer = waiting({ remoteAuthentication: { kind: 'certificate', trust: TRUST, rsaSha1: true } });
    const auth1: Payload = { kind: 'auth', method: AuthMethod.RSA_SIGNATURE, data: Uint8Array.of(7) };
    peer.send(peer.begin((self) => [self.proof()[0] as Payload, cert, auth1, ...self.child()]));
    expect(peer.subject.jobs).toMatchObject([{ scheme: { name: 'RSA PKCS #1 SHA-1' }, signature: Uint8Array.of(7) }]);
  });
});
