import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundle } from './bundle.ts';

describe('a bundle', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const said = async (source: string): Promise<string> => {
    const [entry, outfile] = [join(folder, 'entry.ts'), join(folder, 'program.js')];
    writeFileSync(entry, source);
    await bundle(entry, outfile);
    return execFileSync(process.execPath, [outfile], { encoding: 'utf8' }).trim();
  };

  it('has the text of files that are read beside the source, so that it needs none beside it', async () => {
    const beside = join(folder, 'beside.html');
    writeFileSync(beside, '<p>`$& "quoted"\n');
    const source = `
      import { readFileSync } from 'node:fs';
      setTimeout(() => console.log(readFileSync(new URL('./beside.html', import.meta.url), 'utf8')));`;
    writeFileSync(join(folder, 'entry.ts'), source);
    await bundle(join(folder, 'entry.ts'), join(folder, 'program.js'));
    rmSync(beside);
    const text = execFileSync(process.execPath, [join(folder, 'program.js')], { encoding: 'utf8' });
    expect(text).toBe('<p>`$& "quoted"\n\n');
  });

  it("of the agent has the status page's files", async () => {
    await bundle(fileURLToPath(new URL('../../agent/main.ts', import.meta.url)), join(folder, 'agent.js'));
    const text = readFileSync(join(folder, 'agent.js'), 'utf8');
    for (const name of ['index.html', 'page.css', 'page.js', 'icon.svg'])
      expect(text, name).not.toContain(`files/${name}`);
    expect(text).toContain('<!doctype html>');
  });

  it.each(['adoption-scenario', 'esp-scenario'])(
    'of hack/bench/%s has what runs in the lab, and not what starts it',
    async (name) => {
      const entry = fileURLToPath(new URL(`../bench/${name}.ts`, import.meta.url));
      const files = await bundle(entry, join(folder, 'scenario.js'));
      expect(files.filter((file) => /hack.(?:build|lab.host)/.test(file))).toEqual([]);
    },
  );

  it("has Node's modules in every way that they can be imported", async () => {
    const source = `
      import { createServer } from 'node:http';
      import process, { argv } from 'node:process';
      import * as path from 'node:path';
      const { readFile } = await import('node:fs/promises');
      console.log(typeof createServer, process.argv === argv, path.join('a', 'b'), typeof readFile);`;
    expect(await said(source)).toBe('function true a/b function');
  });

  it('serves HTTP without what fetch is made of, which is 16 MB at the start of every agent', async () => {
    const source = `
      import { createServer } from 'node:http';
      createServer();
      console.log(process.moduleLoadList.filter((name) => /undici|http2|webstreams/.test(name)).join());`;
    expect(await said(source)).toBe('');
  });
});
