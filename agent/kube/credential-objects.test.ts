import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CredentialFiles } from './credential-files.ts';
import { absenceText, type CredentialObject, filesOf, isAbout, namingObject } from './credential-objects.ts';

const psk: CredentialObject = { kind: 'secrets', name: 'office', keys: ['psk'], preSharedKey: true };

describe('a Secret with a pre-shared key', () => {
  it('is read where it is of the type for that', () => {
    const read = filesOf(psk, { type: 'ikemesh.io/pre-shared-key', data: { psk: btoa('open sesame') } });
    expect(read.ok && Buffer.from(read.value.get('psk') ?? []).toString()).toBe('open sesame');
  });

  it.each<[string, unknown]>([
    ['is of another type', { type: 'kubernetes.io/tls', data: { psk: btoa('open sesame') } }],
    ['has no such key', { type: 'ikemesh.io/pre-shared-key', data: { other: btoa('open sesame') } }],
    ['has no data', { type: 'ikemesh.io/pre-shared-key' }],
    ['is empty', { type: 'ikemesh.io/pre-shared-key', data: { psk: '' } }],
    ['is no Secret', null],
  ])('that %s is refused in the same words as one that is not there', (_, value) => {
    const read = filesOf(psk, value);
    expect(read.ok ? '' : read.error).toBe(absenceText(psk, 'make it'));
    expect(absenceText(psk, 'make it')).toContain('ikemesh.io/pre-shared-key');
  });
});

describe('a fault of a file', () => {
  const bundle: CredentialObject = { kind: 'configmaps', name: 'ca.of-all', keys: ['ca.crt'], preSharedKey: false };

  it('is told as one of the ConfigMap or Secret that it came from', () => {
    const text = '/run/ikemesh/credentials/trust_ca.of-all/ca.crt: certificate 1 has ended';
    expect(isAbout(bundle, text)).toBe(true);
    expect(namingObject(bundle, text)).toBe('ConfigMap ca.of-all: ca.crt: certificate 1 has ended');
    expect(isAbout(psk, text)).toBe(false);
    expect(namingObject(psk, text)).toBe(text);
  });

  it('that is not there says where it must be', () => {
    expect(absenceText(bundle, '')).toMatch(
      /the ConfigMap ca.of-all is not there: make it in the namespace of the nodes/,
    );
  });
});

describe('the files of a Secret', () => {
  let folder = '';

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'ikemesh-credentials-')), 'credentials');
  });

  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

  const content = (text: string) => new Map([['tls.key', new TextEncoder().encode(text)]]);

  it('are their owner’s alone, stay under their names, and leave nothing of the old ones behind', async () => {
    const files = new CredentialFiles(folder);
    expect(await files.write('certificate_a', content('one'))).toBe(true);
    expect(await files.write('certificate_a', content('one'))).toBe(false);
    expect(await files.write('certificate_a', content('two'))).toBe(true);
    const path = files.path('certificate_a', 'tls.key');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toHaveLength(2);
    await files.retain(new Set());
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are the newest ones, whole, when it changes several times in a burst', async () => {
    const files = new CredentialFiles(folder);
    await files.write('certificate_a', content('one'));
    const burst = ['two', 'three', 'four'].map((text) => files.write('certificate_a', content(text)));
    expect(await Promise.all(burst)).toEqual([true, true, true]);
    expect(readFileSync(files.path('certificate_a', 'tls.key'), 'utf8')).toBe('four');
    expect(await files.write('certificate_a', content('four'))).toBe(false);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('are written when those before them could not be', async () => {
    const files = new CredentialFiles(folder);
    const nameless = new Map([['\0', new Uint8Array()]]);
    const refused = expect(files.write('certificate_a', nameless)).rejects.toThrow('null bytes');
    await setImmediate();
    expect(await files.write('certificate_a', content('one'))).toBe(true);
    await refused;
    expect(readFileSync(files.path('certificate_a', 'tls.key'), 'utf8')).toBe('one');
  });

  it('are there when they are wanted again while those that nobody needs are taken away', async () => {
    const files = new CredentialFiles(folder);
    await files.write('certificate_a', content('one'));
    const retained = files.retain(new Set());
    await Promise.all([retained, files.write('certificate_a', content('one'))]);
    expect(readFileSync(files.path('certificate_a', 'tls.key'), 'utf8')).toBe('one');
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('are not taken away while they are written, when others that nobody needs any more are', async () => {
    const files = new CredentialFiles(folder);
    for (let round = 0; round < 20; round += 1) {
      const write = files.write('certificate_a', content(String(round)));
      for (let count = 0; count < 20; count += 1) await files.retain(new Set(['certificate_a']));
      await write;
      expect(readFileSync(files.path('certificate_a', 'tls.key'), 'utf8')).toBe(String(round));
    }
  });
});
