import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { podAccess } from './cluster-access.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-access-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };

describe('the API server as a pod is told of it', () => {
  it('is spoken to by the token that kubelet has mounted last', async () => {
    writeFileSync(join(folder, 'token'), 'one\n');
    const access = podAccess(environment, folder);
    if (!access.ok) throw new Error(access.error);
    expect(access.value.server).toMatchObject({ host: 'fd00::1', port: 443 });
    expect(await access.value.token()).toEqual({ ok: true, value: 'one' });
    writeFileSync(join(folder, 'token'), 'two');
    expect(await access.value.token()).toEqual({ ok: true, value: 'two' });
  });

  it('is missed in words where this is no pod, or nothing is mounted', async () => {
    expect(podAccess({}, folder)).toMatchObject({ ok: false, error: expect.stringContaining('run as a pod') });
    const access = podAccess(environment, folder);
    if (!access.ok) throw new Error(access.error);
    expect(await access.value.token()).toMatchObject({
      error: expect.stringContaining('automountServiceAccountToken'),
    });
  });
});
