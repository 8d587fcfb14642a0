import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { projectFolder } from '../image/build-image.ts';

const read = (path: string) => readFileSync(join(projectFolder, path), 'utf8');
const document = read('charts/ikemesh/docs/troubleshooting.md');
const causes = [...document.matchAll(/^\| .*? \| (.*?) \|/gm)]
  .flatMap(([, cell = '']) => [...cell.matchAll(/`([A-Z]\w+)`/g)])
  .map(([, cause = '']) => cause);

describe('the causes in the document for whoever looks by what they see', () => {
  const sources = globSync('operator/cli/diagnosis/*.ts', { cwd: projectFolder })
    .filter((path) => !path.endsWith('.test.ts'))
    .map(read)
    .join('\n');

  it('are many', () => expect(new Set(causes).size).toBeGreaterThan(40));

  it.each(causes)('%s is one that kubectl ikemesh why names', (cause) => {
    expect(sources).toContain(`'${cause}'`);
  });
});
