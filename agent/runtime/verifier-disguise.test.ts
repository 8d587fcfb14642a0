import { describe, expect, it } from 'vitest';

import { dns, pem, TEST_TIME, TestAuthority, testKey } from '../pki/testing/authority.ts';
import { jobFor, trustIn } from './testing/verification.ts';
import { CertificateVerifier } from './verifier.ts';

const DAY_MS = 86_400_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const IPSEC_IKE = '1.3.6.1.5.5.7.3.17';

/**
 * A certificate that nobody trusted has signed and that names `claimed`. An extension that nobody knows holds a genuine
 * one in PEM, which OpenSSL's reader finds before it tries DER.
 */
function around(genuine: Uint8Array, claimed: string): Uint8Array {
  const nobody = new TestAuthority({ O: 'Mesh', CN: 'Root' }, testKey('ecdsaP256'), new Uint8Array());
  const value = new TextEncoder().encode(`\n${pem('CERTIFICATE', genuine)}`);
  const extensions = [{ oid: '1.2.3.4', value }];
  return nobody.issue({ subject: {}, names: [dns(claimed)], keyUsage: [0], extensions }).der;
}

describe('a certificate that hides another one in PEM is that of nobody', () => {
  const root = TestAuthority.root();

  it.each([
    ['a member of the mesh', {}, {}],
    [
      'the holder of a revoked certificate for web servers that has expired',
      {
        serial: 77n,
        notBeforeMs: TEST_TIME - 9 * DAY_MS,
        notAfterMs: TEST_TIME - 5 * DAY_MS,
        extendedKeyUsages: [SERVER_AUTH],
      },
      { revocationLists: [root.revocationList([77n])], revocation: 'Required', extendedKeyUsages: [IPSEC_IKE] },
    ],
  ] as const)('%s does not pass for another node', (_, fields, rules) => {
    const genuine = root.node('node-evil.mesh.test', fields);
    const der = around(genuine.der, 'node-a.mesh.test');
    const verifier = new CertificateVerifier({ wallMs: () => TEST_TIME });
    expect(verifier.check(jobFor({ der, key: genuine.key }, trustIn([root], rules)))).toMatchObject({ ok: false });
  });
});
