import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { clusterEvents } from './cluster-events.ts';
import { events } from './events.ts';
import { summaryTable } from './measured.ts';

describe('the events of the lifecycle matrix', () => {
  it('are those that the README lists, in the same order', () => {
    expect(documented('Events')).toEqual(events.map(({ name }) => name));
    expect(documented('Events on a cluster')).toEqual(clusterEvents.map(({ name }) => name));
  });

  it('have names of their own', () => {
    const names: readonly string[] = [...events, ...clusterEvents].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are measured, each in both modes by both families, and what the README of the project says of them is the sum', () => {
    const [, rows = ''] = readFileSync(new URL('README.md', import.meta.url), 'utf8').split('\n## As measured\n');
    for (const { name } of [...events, ...clusterEvents]) {
      expect(rows.match(new RegExp(`^${name} +(?:transport|tunnel) +IPv[46] .* kept$`, 'gm')), name).toHaveLength(4);
    }
    expect(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')).toContain(summaryTable(rows));
  });

  it.each(clusterEvents)('on a cluster are made by tests that are there: $name', ({ file, test }) => {
    const folder = new URL('../', import.meta.url);
    const sources = readdirSync(folder).filter((name) => name.endsWith('.ts'));
    const texts = sources.map((name) => readFileSync(new URL(name, folder), 'utf8'));
    expect(existsSync(new URL(`../../${file}`, import.meta.url))).toBe(true);
    expect(texts.filter((text) => new RegExp(`\\bit\\('[^']*${test}`).test(text))).toHaveLength(1);
  });
});

/** Names in the first table of a section of the README. */
function documented(section: string): readonly (string | undefined)[] {
  const text = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const [, after = ''] = text.split(`\n## ${section}\n`);
  const [table = ''] = after.split('\n## ');
  return [...table.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name);
}
