import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { removeUnfinished } from './durable-file.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import { MAX_KEPT_BYTES } from './limits.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-kept-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const kept = { nodeName: 'node-a', nodeConfig: { spec: { peerings: [] } }, peers: { cluster: [{ uid: 'u' }] } };

describe('the configuration that is kept on the node', () => {
  it('is read after a restart as it was written, by its owner alone, and nothing else is left', async () => {
    const file = new ConfigurationFile(folder, 'node-a');
    expect(await file.read()).toEqual({ ok: true, value: undefined });
    expect(await file.write(kept)).toEqual({ ok: true, value: undefined });
    expect(await new ConfigurationFile(folder, 'node-a').read()).toEqual({ ok: true, value: kept });
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['configuration.json']);
  });

  it('is not written again while it stays the same', async () => {
    const file = new ConfigurationFile(folder, 'node-a');
    await file.write(kept);
    const { ino } = statSync(file.path);
    await file.write({ ...kept });
    expect(statSync(file.path).ino).toBe(ino);
  });

  it.each<[string, (text: string) => string, RegExp]>([
    ['was cut short', (text) => text.slice(0, -10), /is cut short or was changed/],
    ['was cut short in its first line', (text) => text.slice(0, 10), /is not a configuration kept by this program/],
    ['is empty', () => '', /is not a configuration kept by this program/],
    ['is something else', () => '{"format":"diary"}\n', /is not a configuration kept by this program/],
    [
      'is of a newer version',
      (text) => text.replace('"version":1', '"version":2'),
      /another version of the agent wrote it/,
    ],
    ['was changed by hand', (text) => text.replace('"uid":"u"', '"uid":"v"'), /is cut short or was changed/],
    ['is that of another node', (text) => text, /is that of node node-a, not of node-b/],
    ['is too large', () => 'x'.repeat(MAX_KEPT_BYTES + 1), /has \d+ bytes/],
  ])('is told in one sentence, and is none, where it %s', async (title, change, text) => {
    const file = new ConfigurationFile(folder, 'node-a');
    await file.write(kept);
    writeFileSync(file.path, change(readFileSync(file.path, 'utf8')));
    const name = title === 'is that of another node' ? 'node-b' : 'node-a';
    const read = await new ConfigurationFile(folder, name).read();
    expect(read.ok ? read.value : read.error).toMatch(text);
  });

  it('stays as it was where the new one cannot be written', async () => {
    const file = new ConfigurationFile(folder, 'node-a');
    await file.write(kept);
    const huge = { ...kept, peers: { cluster: ['x'.repeat(MAX_KEPT_BYTES)] } };
    expect(await file.write(huge)).toMatchObject({ ok: false });
    expect(await file.read()).toEqual({ ok: true, value: kept });
  });

  it('leaves no half of it behind when the agent is killed while it writes', async () => {
    writeFileSync(join(folder, 'configuration.json.0123.unfinished'), '{');
    await removeUnfinished(folder);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('ends no agent where such a half cannot be removed, as on a disk that is read-only', async () => {
    // A folder is not removed as a file, not by root either.
    mkdirSync(join(folder, 'configuration.json.0123.unfinished'));
    await removeUnfinished(folder);
    expect(readdirSync(folder)).toHaveLength(1);
  });
});
