import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

import { generatedFiles } from './generated-files.ts';

describe('generated files', () => {
  it.each(generatedFiles())(
    '$path is what the code says; `npm run generate` writes it anew',
    async ({ path, text }) => {
      const written = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
      expect(written === text, `${path} is stale: run npm run generate`).toBe(true);
    },
  );
});
