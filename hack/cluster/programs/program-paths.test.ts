import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { kubernetesVersion } from './program.ts';
import { clusterCacheFolder, programPaths } from './program-paths.ts';

describe('KUBEBUILDER_ASSETS', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'assets-'));
    for (const name of ['etcd', 'kube-apiserver']) writeFileSync(join(folder, name), '');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const options = (environment: NodeJS.ProcessEnv) => ({ say: () => undefined, environment });

  it('is used instead of a build where it has every program that is wanted', async () => {
    const paths = await programPaths(['etcd', 'kube-apiserver'], options({ KUBEBUILDER_ASSETS: folder }));
    expect(paths).toEqual({ etcd: join(folder, 'etcd'), 'kube-apiserver': join(folder, 'kube-apiserver') });
  });

  it('is left alone where it lacks one, so that versions do not mix', async () => {
    // The build is interrupted before it begins.
    const signal = AbortSignal.abort();
    const environment = { KUBEBUILDER_ASSETS: folder, XDG_CACHE_HOME: folder };
    const paths = programPaths(['etcd', 'kubectl'], { ...options(environment), signal });
    await expect(paths).rejects.toThrow(/abort/);
  });
});

describe('the pins', () => {
  it('of Kubernetes are all of the release that its programs say they are', async () => {
    const text = await readFile(join(import.meta.dirname, '../modules/kubernetes/go.mod'), 'utf8');
    const replaced = [...text.matchAll(/^replace k8s\.io\/\S+ => k8s\.io\/\S+ v0\.(\S+)$/gm)].map(
      ([, version]) => version,
    );
    expect(text).toContain(`\tk8s.io/kubernetes v${kubernetesVersion} `);
    expect(new Set(replaced)).toEqual(new Set([kubernetesVersion.replace(/^1\./, '')]));
  });
});

describe('the cache folder', () => {
  it('lies in the cache of the user', () => {
    expect(clusterCacheFolder({ XDG_CACHE_HOME: '/cache' })).toBe('/cache/ikemesh/cluster');
  });
});
