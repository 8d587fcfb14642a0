import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { events } from './events.ts';

describe('the events of the lifecycle matrix', () => {
  it('are those that the README lists, in the same order', () => {
    const text = readFileSync(new URL('README.md', import.meta.url), 'utf8');
    const [, table = ''] = text.split('\n## Events\n');
    const documented = [...table.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name);
    expect(documented).toEqual(events.map(({ name }) => name));
  });

  it('have names of their own', () => {
    const names = events.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
