import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { generatedFiles } from './generated-files.ts';

goOnWithoutReaders();

/** `npm run generate`: writes the files that are made from code. */
const root = fileURLToPath(new URL('../..', import.meta.url));
for (const { path, text } of generatedFiles()) {
  await mkdir(dirname(`${root}${path}`), { recursive: true });
  await writeFile(`${root}${path}`, text);
  console.log(path);
}
