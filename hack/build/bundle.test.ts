import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
