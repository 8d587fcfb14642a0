import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { createLog } from '../runtime/log/logger.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import type { WatchedObject } from './list-watch.ts';
import { ManifestObjects } from './manifest-objects.ts';
import { NodeManifests } from './testing/node-manifests.ts';

let folder = '';
let manifests: NodeManifests;
let log: string[] = [];
let world: TestWorld;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-manifests-'));
  manifests = new NodeManifests(folder);
  log = [];
  world = new TestWorld();
});

afterEach(() => rmSync(folder, { recursive: true }));

async function opened(): Promise<ManifestObjects> {
  const objects = await ManifestObjects.open({
    folder,
    namespace: 'ikemesh-nodes',
    timers: world.timers,
    log: createLog('json', 'info', { write: (line) => void log.push(line) }, false),
  });
  if (!objects.ok) throw new Error(objects.error.join());
  return objects.value;
}

/** What is told of the Secret ike-a, the latest last. */
function followed(objects: ManifestObjects): (WatchedObject | undefined)[] {
  const told: (WatchedObject | undefined)[] = [];
  objects.follow(
    { resource: 'secrets', name: 'ike-a' },
    { onObjects: (found) => void told.push(found.get('ike-a')), onFailure: () => {} },
  );
  return told;
}

describe('a folder of manifests', () => {
  it('is looked at by itself: what has changed and come to rest is told', async () => {
    manifests.writeSecret();
    const told = followed(await opened());
    await vi.waitFor(() => expect(told).toHaveLength(1));
    manifests.writeSecret();
    await vi.waitFor(async () => {
      world.pass(1_000);
      // Files are read in real time, whatever the clock of the test says.
      await sleep(1);
      expect(told).toHaveLength(2);
    });
    expect(told[1]).not.toEqual(told[0]);
  });

  it('has what stringData says under data, as an API server would have', async () => {
    manifests.writeSecret();
    const told = followed(await opened());
    await vi.waitFor(() => expect(told).toHaveLength(1));
    const { data, stringData } = told[0] as unknown as { data: Record<string, string>; stringData?: unknown };
    expect(Object.keys(data).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
    expect(atob(data['tls.key'] ?? '')).toContain('BEGIN PRIVATE KEY');
    expect(stringData).toBeUndefined();
  });

  it('may be one that kubelet mounts, whose files are links, and have lists of objects', async () => {
    manifests.writeSecret();
    const inner = mkdtempSync(join(folder, '..data-'));
    const items = [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'ike-a' }, data: {} }];
    writeFileSync(join(inner, 'list.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    rmSync(join(folder, 'secret.yaml'));
    symlinkSync(join(inner, 'list.json'), join(folder, 'list.json'));
    expect(readdirSync(folder)).toHaveLength(2);
    const told = followed(await opened());
    await vi.waitFor(() => expect(told[0]?.metadata.name).toBe('ike-a'));
  });

  it('counts as it was read last where a file is broken, and tells nothing then', async () => {
    manifests.writeSecret();
    const objects = await opened();
    const told = followed(objects);
    await vi.waitFor(() => expect(told).toHaveLength(1));
    writeFileSync(join(folder, 'secret.yaml'), 'data: [');
    await objects.reread();
    expect(log.join('')).toContain('what was read of it before stays');
    expect(told).toHaveLength(1);
    const later = followed(objects);
    await vi.waitFor(() => expect(later[0]?.metadata.name).toBe('ike-a'));
  });

  it('is complained about once for each thing: objects that are there twice, Secrets that everybody may read', async () => {
    manifests.writeSecret();
    manifests.write('again.yaml', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'ike-a' } });
    chmodSync(join(folder, 'secret.yaml'), 0o644);
    const objects = await opened();
    await objects.reread();
    expect(log.filter((line) => line.includes('Secret ike-a is there twice'))).toHaveLength(1);
    expect(log.filter((line) => line.includes('chmod 600'))).toHaveLength(1);
    expect(log).toHaveLength(2);
  });

  it('tells nobody who has stopped listening', async () => {
    manifests.writeSecret();
    const objects = await opened();
    const told: unknown[] = [];
    const query = { resource: 'secrets', name: 'ike-a' } as const;
    objects.follow(query, { onObjects: (found) => void told.push(found), onFailure: () => {} }).stop();
    const others = followed(objects);
    await vi.waitFor(() => expect(others).toHaveLength(1));
    expect(told).toEqual([]);
  });
});
