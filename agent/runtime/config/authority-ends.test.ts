import { describe, expect, it } from 'vitest';

import { TEST_TIME, TestAuthority, type TestCertificate } from '../../pki/testing/authority.ts';
import { authorityEnds } from './authority-ends.ts';
import type { LoadedCredential } from './credential-file.ts';
import type { LoadedTrust } from './trust-files.ts';

const DAY = 86_400_000;
const [SOON, LATE] = [TEST_TIME + 3 * DAY, TEST_TIME + 300 * DAY];
const old = TestAuthority.root('Old', 'ecdsaP256', { notAfterMs: SOON });
const successor = TestAuthority.root('New', 'ecdsaP256', { notAfterMs: LATE });

describe('when authorities have to be replaced', () => {
  it('is told by the one that issued our certificate, however long another one of the bundle lasts', () => {
    expect(ends([[old.node('a.test')]], [[old, successor]])).toEqual(['issuer CN=Old, O=Mesh 3', NEW_BUNDLE]);
  });

  it('is no matter of the old one once our certificate is of the new one', () => {
    const own = successor.node('a.test');
    expect(ends([[own]], [[old, successor]])).toEqual(['issuer CN=New, O=Mesh 300', NEW_BUNDLE]);
  });

  it('is told of each bundle by itself, and of two certificates by the authority of each', () => {
    const own = [[old.node('a.test')], [successor.node('a.test')]];
    expect(ends(own, [[successor], [old]])).toEqual([
      'issuer CN=Old, O=Mesh 3',
      'issuer CN=New, O=Mesh 300',
      NEW_BUNDLE,
      'bundle CN=Old, O=Mesh 3',
    ]);
  });

  it('is put off by a certificate of the same authority that lasts longer', () => {
    const { subject, key } = old;
    const prolonged = TestAuthority.root('Old', 'ecdsaP256', { notAfterMs: LATE, subject, key });
    const all = ends([[old.node('a.test')]], [[old, prolonged]]);
    expect(all).toEqual(['issuer CN=Old, O=Mesh 300', 'bundle CN=Old, O=Mesh 300']);
  });

  it('is found above intermediate authorities, which are renewed with the certificate', () => {
    const between = successor.intermediate('Between', { notAfterMs: TEST_TIME + DAY });
    const all = ends([[between.node('a.test'), between]], [[successor]]);
    expect(all).toEqual(['issuer CN=New, O=Mesh 300', NEW_BUNDLE]);
  });

  it('is not known of an authority that is not trusted here', () => {
    expect(ends([[old.node('a.test')]], [[successor]])).toEqual([NEW_BUNDLE]);
  });
});

type Shown = Pick<TestCertificate, 'der'>;

/** Our certificates, each with those above it, and bundles; what is told of them, with the days that are left. */
function ends(own: readonly (readonly Shown[])[], bundles: readonly (readonly Shown[])[]): readonly string[] {
  const credentials = own.map((chain, index): [string, LoadedCredential] => [
    `${index}`,
    { credential: { certificates: chain.map(({ der }) => der) } } as unknown as LoadedCredential,
  ]);
  const trusts = bundles.map((anchors, index): [string, LoadedTrust] => [
    `${index}`,
    { trust: { anchors: anchors.map(({ der }) => der) } } as unknown as LoadedTrust,
  ]);
  return authorityEnds({ credentials: new Map(credentials), trusts: new Map(trusts) }).map(
    ({ dependence, name, notAfterMs }) => `${dependence} ${name} ${(notAfterMs - TEST_TIME) / DAY}`,
  );
}

const NEW_BUNDLE = 'bundle CN=New, O=Mesh 300';
