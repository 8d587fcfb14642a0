import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { Authority } from './authority.ts';

describe('the authority', () => {
  const authority = Authority.create('kubernetes-ca');
  const issuer = new X509Certificate(authority.certificate);

  it('certifies a user with all groups', () => {
    const { certificate, key } = authority.client({ name: 'alice', groups: ['dev', 'ops', 'audit'] });
    const read = new X509Certificate(certificate);
    expect(read.subject).toBe('O=dev\nO=ops\nO=audit\nCN=alice');
    expect(read.verify(issuer.publicKey)).toBe(true);
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('certifies a server for its names and its addresses of both families', () => {
    const read = new X509Certificate(
      authority.server('server', ['kubernetes.default', '127.0.0.1', '::1']).certificate,
    );
    expect(read.checkHost('kubernetes.default')).toBe('kubernetes.default');
    expect(read.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(read.checkIP('::1')).toBe('::1');
    expect(read.checkIssued(issuer)).toBe(true);
  });

  it('can be read back and goes on issuing under the same name; nobody else reads its key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'authority-'));
    try {
      const path = join(folder, 'ca');
      await authority.save(path);
      const loaded = await Authority.load('kubernetes-ca', path);
      const read = new X509Certificate(loaded.client({ name: 'bob' }).certificate);
      expect(read.checkIssued(issuer) && read.verify(issuer.publicKey)).toBe(true);
      expect((await stat(`${path}.key`)).mode & 0o077).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
