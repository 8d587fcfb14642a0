import { describe, expect, it } from 'vitest';

import { rootSchema } from './crd.ts';
import { fieldDocs } from './field-docs.ts';
import { kinds } from './kinds.ts';
import type { StructuralSchema } from './structural.ts';

describe.each(kinds)('the definition of $kind', (kind) => {
  it('has a description for every field, so that kubectl explain and the docs say what it is', () => {
    const silent = fieldsOf(rootSchema(kind), '').filter(([, { description }]) => description === undefined);
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it('has every field that its columns and selectable fields speak of', () => {
    const paths = [...kind.columns.map(({ jsonPath }) => jsonPath), ...(kind.selectableFields ?? [])];
    const known = new Set(fieldsOf(rootSchema(kind), '').map(([path]) => path));
    const ours = paths.filter((path) => !path.startsWith('.metadata.')).map((path) => path.replace(/\[\?.*\]/, '[]'));
    expect(ours.filter((path) => !known.has(path))).toEqual([]);
  });

  it('has each field in its docs', () => {
    const docs = fieldDocs(kind);
    const missing = fieldsOf(rootSchema(kind), '').filter(([path]) => !docs.includes(`\`${path.slice(1)}\``));
    expect(missing.map(([path]) => path)).toEqual([]);
  });
});

/** All fields of our own, by their paths. */
function fieldsOf(schema: StructuralSchema, path: string): readonly (readonly [string, StructuralSchema])[] {
  const below = Object.entries(schema.properties ?? {}).filter(
    ([name]) => path !== '' || !['apiVersion', 'kind', 'metadata'].includes(name),
  );
  return below.flatMap(([name, field]) => {
    const here = `${path}.${name}`;
    const inner = field.items === undefined ? fieldsOf(field, here) : fieldsOf(field.items, `${here}[]`);
    return [[here, field] as const, ...inner];
  });
}
