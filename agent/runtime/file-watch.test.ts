import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { fileDigests } from './file-digest.ts';
import { FileWatch } from './file-watch.ts';
import { TestWorld } from './testing/agents.ts';

/** Files as a table, a watch of them, and time. */
class Watched {
  readonly world = new TestWorld();
  readonly contents = new Map<string, string>([
    ['tls.crt', 'one'],
    ['tls.key', 'key one'],
  ]);
  changes = 0;
  looks = 0;
  readonly watch = new FileWatch({
    timers: this.world.timers,
    intervalMs: 2_000,
    digest: async (file) => {
      this.looks += 1;
      return this.contents.get(file) ?? 'ENOENT';
    },
    onChange: async () => {
      this.changes += 1;
    },
  });

  constructor() {
    this.watch.watch([...this.contents.keys()]);
  }

  /** One interval, and what it leads to. */
  async pass(intervals = 1): Promise<void> {
    for (let count = 0; count < intervals; count += 1) {
      this.world.pass(2_000);
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    }
  }
}

describe('a watch of files', () => {
  it('tells once what it watches, and nothing more while the content stays', async () => {
    const watched = new Watched();
    await watched.pass(10);
    expect(watched.changes).toBe(1);
  });

  it('tells a changed content once, when it has come to rest', async () => {
    const watched = new Watched();
    await watched.pass(3);
    watched.contents.set('tls.crt', 'two');
    await watched.pass();
    watched.contents.set('tls.key', 'key two');
    await watched.pass();
    expect(watched.changes).toBe(1);
    await watched.pass();
    expect(watched.changes).toBe(2);
    await watched.pass(5);
    expect(watched.changes).toBe(2);
  });

  it('tells of a file that comes, and of one that goes', async () => {
    const watched = new Watched();
    await watched.pass(3);
    watched.contents.delete('tls.key');
    await watched.pass(3);
    expect(watched.changes).toBe(2);
    watched.contents.set('tls.key', 'key two');
    await watched.pass(3);
    expect(watched.changes).toBe(3);
  });

  it('does not wait for ever for files that never come to rest', async () => {
    const watched = new Watched();
    await watched.pass(3);
    for (let turn = 0; turn < 12; turn += 1) {
      watched.contents.set('tls.crt', `turn ${turn}`);
      await watched.pass();
    }
    expect(watched.changes).toBeGreaterThan(1);
  });

  it('looks at nothing any more once it was stopped, or has no files', async () => {
    const watched = new Watched();
    watched.watch.stop();
    await watched.pass(5);
    const other = new Watched();
    other.watch.watch([]);
    await other.pass(5);
    expect([watched.looks, other.looks, watched.changes, other.changes]).toEqual([0, 0, 0, 0]);
  });

  it('goes on when a change could not be handled', async () => {
    const world = new TestWorld();
    let calls = 0;
    let content = 'one';
    const watch = new FileWatch({
      timers: world.timers,
      intervalMs: 1_000,
      digest: async () => content,
      onChange: async () => {
        calls += 1;
        await setImmediate();
      },
    });
    watch.watch(['file']);
    const pass = async () => {
      world.pass(1_000);
      await setImmediate();
      await setImmediate();
    };
    for (let turn = 0; turn < 3; turn += 1) await pass();
    content = 'two';
    for (let turn = 0; turn < 4; turn += 1) await pass();
    expect(calls).toBe(2);
  });
});

describe('the digest of a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ikemesh-digest-'));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('follows the content: through links that are swapped, over equal sizes and times, and errors', async () => {
    mkdirSync(folder, { recursive: true });
    const digest = fileDigests(100);
    const file = join(folder, 'tls.crt');
    // As the kubelet mounts a Secret: the file is a link through ..data, which is replaced as a whole.
    for (const generation of ['1', '2']) {
      mkdirSync(join(folder, generation));
      writeFileSync(join(folder, generation, 'tls.crt'), `content ${generation}`);
      utimesSync(join(folder, generation, 'tls.crt'), 1, 1);
    }
    symlinkSync('1', join(folder, '..data'));
    symlinkSync('..data/tls.crt', file);
    const first = await digest(file);
    expect(await digest(file)).toBe(first);
    symlinkSync('2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    const second = await digest(file);
    expect(second).not.toBe(first);
    writeFileSync(join(folder, '2', 'tls.crt'), 'content 1');
    expect(await digest(file)).toBe(first);
    rmSync(file);
    expect(await digest(file)).toBe('ENOENT');
    writeFileSync(file, 'x'.repeat(101));
    expect(await digest(file)).toBe('101 bytes');
  });
});
