import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { generatedFiles } from './generated-files.ts';

describe('generated files', () => {
  it.each(generatedFiles())(
    '$path is what the code says; `npm run generate` writes it anew',
    async ({ path, text }) => {
      const written = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
      expect(written === text, `${path} is stale: run npm run generate`).toBe(true);
    },
  );

  // With a default of `Off` the API server refuses a definition: kubectl and Helm send it `false`.
  it.each(generatedFiles().filter(({ path }) => /^crds\/.*yaml$/.test(path)))(
    '$path has no word that kubectl and Helm, which read YAML 1.1, take for a truth value',
    ({ text }) => {
      expect(parse(text, { version: '1.1' })).toEqual(parse(text));
    },
  );
});
