import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { packLayer } from './layer.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

describe('a layer of the image', () => {
  it('is the same bytes again when the same files are written in another order, at another time, by another umask', async () => {
    const names = ['b/two', 'a/one', 'a/three'];
    const first = await layerOf(names, new Date('2020-01-01T00:00:00Z'), 0o644);
    const second = await layerOf(names.toReversed(), new Date('2026-06-01T12:00:00Z'), 0o664);
    expect(second.digest).toBe(first.digest);
    expect(second.diffId).toBe(first.diffId);
    expect(first.diffId).not.toBe(first.digest);
  });

  it('is other bytes when a file has other content', async () => {
    const date = new Date(0);
    expect((await layerOf(['a'], date, 0o644)).digest).not.toBe((await layerOf(['a', 'b'], date, 0o644)).digest);
  });
});

async function layerOf(names: readonly string[], date: Date, mode: number) {
  const folder = await mkdtemp(join(tmpdir(), 'ikemesh-layer-'));
  folders.push(folder);
  const root = join(folder, 'root');
  await mkdir(root);
  for (const name of names) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), `content of ${name}`);
    await chmod(join(root, name), mode);
    await utimes(join(root, name), date, date);
  }
  await symlink('a', join(root, 'link'));
  return packLayer(root, join(folder, 'layer.tar'));
}
