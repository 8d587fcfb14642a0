import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../../crypto/secret.ts';
import { byPreSharedKey } from '../../ike/negotiation/authentication.ts';
import { connectionConfig, Pair, type PairOptions, type Side } from '../../ike/testing/pair.ts';
import { texts } from '../../ike/testing/scripted-peer.ts';
import type { ConnectionConfig, LocalAuthentication, RemoteAuthentication } from '../../ike/types.ts';
import type { Credential } from '../../pki/credential.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_BYTES } from '../../pki/limits.ts';
import {
  dns,
  keyPem,
  TEST_TIME,
  TestAuthority,
  type TestCertificate,
  type TestKeyKind,
} from '../../pki/testing/authority.ts';
import { MIN_FRAGMENT_BYTES } from '../config/limits.ts';
import { trustIn } from '../testing/verification.ts';
import { CertificateVerifier } from '../verifier.ts';
import { readPrivateKey } from './private-key.ts';

const root = TestAuthority.root();

function credential({ der, key }: TestCertificate, ...above: readonly TestAuthority[]): Credential {
  const read = readPrivateKey(keyPem(key));
  if (!read.ok) throw new Error(read.error);
  return {
    fingerprint: Buffer.from(der).toString('hex'),
    certificates: [der, ...above.map((each) => each.der)],
    authorities: [],
    key: read.value.signing,
    notAfterMs: Number.MAX_SAFE_INTEGER,
  };
}

function showing(shown: Credential, rsaPadding: 'PSS' | 'PKCS1' = 'PSS'): LocalAuthentication {
  return { kind: 'certificate', credentials: [shown], signatures: { rsaPadding, rsaSha1: false } };
}

function trusting(...anchors: readonly TestAuthority[]): RemoteAuthentication {
  return { kind: 'certificate', trust: trustIn(anchors), rsaSha1: false };
}

/** Both sides with a certificate for their own name and a verifier of their own. */
function pairOf(left: Partial<ConnectionConfig>, right: Partial<ConnectionConfig>, options: PairOptions = {}): Pair {
  const pair = new Pair(options);
  for (const side of [pair.left, pair.right]) verifying(pair, side);
  return pair.configure(left, right);
}

function verifying(pair: Pair, side: Side): void {
  const verifier = new CertificateVerifier({ wallMs: () => TEST_TIME + pair.at });
  side.verify = (job) => verifier.check(job);
}

function both(
  authority: TestAuthority,
  kind: TestKeyKind = 'ecdsaP256',
): readonly [Partial<ConnectionConfig>, Partial<ConnectionConfig>] {
  return ['left', 'right'].map((name) => ({
    localAuthentication: showing(credential(authority.node(name, {}, kind))),
    remoteAuthentication: trusting(authority),
  })) as [Partial<ConnectionConfig>, Partial<ConnectionConfig>];
}

describe('two endpoints with certificates', () => {
  it.each<TestKeyKind>(['rsa', 'ecdsaP256', 'ecdsaP384', 'ecdsaP521', 'ed25519', 'ed448'])(
    'of kind %s believe one another, and traffic is encrypted',
    (kind) => {
      expect(
        pairOf(...both(root, kind))
          .settle()
          .encrypts(),
      ).toBe(true);
    },
  );

  it('believe one another through an intermediate', () => {
    const middle = root.intermediate('Middle');
    const pair = pairOf(
      { localAuthentication: showing(credential(middle.node('left'), middle)), remoteAuthentication: trusting(root) },
      { localAuthentication: showing(credential(middle.node('right'), middle)), remoteAuthentication: trusting(root) },
    );
    expect(pair.settle().encrypts()).toBe(true);
  });

  it.each([
    ['IPv4', ['192.0.2.1', '192.0.2.2']],
    ['IPv6', ['2001:db8::1', '2001:db8::2']],
  ] as const)(
    'believe one another by the longest chains that are loaded, in the smallest fragments of %s',
    (_, addresses) => {
      const filled = (name: 'left' | 'right'): LocalAuthentication => {
        const own = credential(root.node(name, {}, 'rsa'));
        const [first] = own.certificates;
        // What cannot be read in a chain, and is not needed, is passed over.
        const rest = MAX_CHAIN_BYTES - (first?.length ?? 0);
        const filling = [new Uint8Array(MAX_CERTIFICATE_BYTES), new Uint8Array(rest - MAX_CERTIFICATE_BYTES)];
        return showing({ ...own, certificates: [...own.certificates, ...filling] });
      };
      const shared = { fragmentBytes: MIN_FRAGMENT_BYTES, remoteAuthentication: trusting(root) };
      const pair = pairOf(
        { ...shared, localAuthentication: filled('left') },
        { ...shared, localAuthentication: filled('right') },
        { addresses },
      ).settle();
      expect(pair.encrypts()).toBe(true);
      expect(Math.max(...pair.sent.slice(2).map(({ bytes }) => bytes.length))).toBeLessThan(MIN_FRAGMENT_BYTES);
    },
  );

  it('may use different kinds of proof: a certificate here, a pre-shared key there', () => {
    const secret = () => byPreSharedKey(new SecretBytes(new TextEncoder().encode('a secret of one direction')));
    const pair = pairOf(
      {
        localAuthentication: showing(credential(root.node('left'))),
        remoteAuthentication: secret().remoteAuthentication,
      },
      { localAuthentication: secret().localAuthentication, remoteAuthentication: trusting(root) },
    );
    expect(pair.settle().encrypts()).toBe(true);
  });

  it('of different authorities do not, and each says why', () => {
    const other = TestAuthority.root('Other');
    const pair = pairOf(both(root)[0], both(other)[1]).settle();
    expect(pair.packet(pair.left)).toBe('blocked');
    expect(texts(pair.right, 'negotiationFailed')).toEqual([
      'left was not believed: its certificate leads to no trusted authority: CN=Root, O=Mesh has issued it, it sent no ' +
        'intermediate certificate; trusted are CN=Other, O=Mesh',
    ]);
    expect(texts(pair.left, 'negotiationFailed')[0]).toMatch(
      /^right \(192\.0\.2\.2\) does not accept us as left: its log tells/,
    );
  });

  it('are not taken in by the certificate of a third one', () => {
    const [left, right] = both(root);
    const stolen = showing(credential(root.node('third', { names: [dns('third')] })));
    const pair = pairOf({ ...left, localAuthentication: stolen }, right).settle();
    expect(pair.packet(pair.left)).toBe('blocked');
    expect(texts(pair.right, 'negotiationFailed')[0]).toBe(
      'left was not believed: the certificate is for DNS third, not for this identity',
    );
  });

  it('go on with their SAs through a renewal of both certificates and a roll of the authority, without a packet lost', () => {
    const renewed = TestAuthority.root('Renewed');
    const steps: readonly (readonly [Side['name'], TestAuthority, readonly TestAuthority[]])[] = [
      ['left', root, [root, renewed]],
      ['right', root, [renewed, root]],
      ['right', renewed, [renewed, root]],
      ['left', renewed, [renewed, root]],
      ['left', renewed, [renewed]],
      ['right', renewed, [renewed]],
    ];
    const pair = pairOf(...both(root))
      .settle()
      .advance(10_000);
    for (const [name, issuer, anchors] of steps) {
      const side = name === 'left' ? pair.left : pair.right;
      const before = pair.status(side).ikeSas.map(({ number }) => number);
      pair.command(side, {
        kind: 'updateConnection',
        connection: connectionConfig(side, pair.other(side), {
          initiation: name === 'left' ? 'start' : 'respond',
          localAuthentication: showing(credential(issuer.node(name))),
          remoteAuthentication: trusting(...anchors),
        }),
      });
      for (let second = 0; second < 40; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
      expect(pair.status(side).ikeSas).toHaveLength(1);
      expect(pair.status(side).ikeSas.map(({ number }) => number)).not.toEqual(before);
      expect(texts(pair.left, 'negotiationFailed')).toEqual([]);
      expect(texts(pair.right, 'negotiationFailed')).toEqual([]);
    }
  });
});
