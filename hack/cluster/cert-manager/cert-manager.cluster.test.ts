import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts';

describe('a control plane with cert-manager', () => {
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await startControlPlane({ controllers: true, certManager: true });
  });
  afterAll(() => controlPlane?.close());

  const succeed = async (words: readonly string[], input = '') => {
    const { code, stdout, stderr } = await controlPlane.kubectl(words, { input });
    expect(stderr + code).toBe('0');
    return stdout;
  };
  const apply = (...objects: readonly object[]) =>
    succeed(['apply', '--server-side', '--filename=-'], objects.map((object) => stringify(object)).join('---\n'));
  const ready = (object: string) =>
    succeed(['wait', '--for=condition=Ready', '--timeout=60s', '--namespace=mesh', object]);

  it('issues a certificate of a CA that it made itself, by its own account, in a namespace that ends in order', async () => {
    await succeed(['create', 'namespace', 'mesh']);
    await apply(
      object('Issuer', 'self-signed', { selfSigned: {} }),
      object('Certificate', 'mesh-ca', {
        isCA: true,
        commonName: 'mesh',
        secretName: 'mesh-ca',
        privateKey: { algorithm: 'ECDSA' },
        issuerRef: { name: 'self-signed' },
      }),
      object('Issuer', 'mesh-ca', { ca: { secretName: 'mesh-ca' } }),
      object('Certificate', 'node-a', nodeSpec({})),
    );
    await ready('certificate/node-a');
    const secret = JSON.parse(await succeed(['get', 'secret', 'node-a', '--namespace=mesh', '--output=json'])) as {
      readonly data: Readonly<Record<string, string>>;
    };
    const certificateIn = (entry: string) => new X509Certificate(Buffer.from(secret.data[entry] ?? '', 'base64'));
    const leaf = certificateIn('tls.crt');
    const authority = certificateIn('ca.crt');
    expect(leaf.checkHost('node-a.mesh.test')).toBe('node-a.mesh.test');
    expect(leaf.checkIssued(authority) && leaf.verify(authority.publicKey)).toBe(true);

    // The webhook stamps it: cert-manager's own account asked, which has no more rights than its chart grants.
    const askedBy = 'jsonpath={.items[*].spec.username}';
    expect(await succeed(['get', 'certificaterequests', '--namespace=mesh', `--output=${askedBy}`])).toBe(
      Array(2).fill('system:serviceaccount:cert-manager:cert-manager').join(' '),
    );

    await succeed(['delete', 'namespace', 'mesh', '--timeout=60s']);
    expect(await succeed(['get', 'namespace', 'mesh', '--ignore-not-found'])).toBe('');
  });

  it('refuses a Certificate that cert-manager could not issue, by its own webhook', async () => {
    await succeed(['create', 'namespace', 'refused']);
    const short = object('Certificate', 'node-b', nodeSpec({ duration: '30m' }), 'refused');
    const { code, stderr } = await controlPlane.kubectl(['create', '--filename=-'], { input: stringify(short) });
    expect(code).toBe(1);
    expect(stderr).toMatch(/admission webhook "webhook.cert-manager.io" denied the request: spec.duration/);
  });
});

function nodeSpec(more: object): object {
  return {
    secretName: 'node-a',
    dnsNames: ['node-a.mesh.test'],
    privateKey: { algorithm: 'ECDSA', size: 256 },
    issuerRef: { name: 'mesh-ca' },
    ...more,
  };
}

function object(kind: string, name: string, spec: object, namespace = 'mesh'): object {
  return { apiVersion: 'cert-manager.io/v1', kind, metadata: { name, namespace }, spec };
}
