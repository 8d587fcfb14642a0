import { describe, expect, it } from 'vitest';
import * as z from 'zod';

import { structuralSchema } from './structural.ts';

const text = z.string().max(10);

describe('a structural schema', () => {
  it.each([
    ['a literal, which becomes const', z.literal('x'), 'const'],
    ['a union of types', z.union([text, z.int().min(0).max(1)]), 'anyOf'],
    ['a field that may be null', text.nullable(), 'anyOf'],
    ['an object that refuses unknown fields', z.strictObject({ a: text }), 'additionalProperties without a schema'],
    ['an exclusive bound', z.int().gt(0).max(5), 'exclusiveMinimum'],
    ['a number with a fraction', z.number().min(0).max(1), 'type "number"'],
    ['a map with restricted keys', z.record(z.string().max(3), text).meta({ maxProperties: 3 }), 'propertyNames'],
    ['a shared definition', z.object({ a: text.meta({ id: 'shared' }) }), '$defs'],
    [
      'a look-ahead in a pattern',
      z
        .string()
        .max(9)
        .regex(/^(?=a)/),
      'the pattern',
    ],
    ['a back reference in a pattern', z.string().max(9).regex(/(a)\1/), 'the pattern'],
    ['a format that the server does not check', z.email().max(9), 'format'],
    ['a value of any kind', z.unknown(), 'without type'],
    ['a string without bound', z.string(), 'maxLength'],
    ['a list without bound', z.array(text).meta({ 'x-kubernetes-list-type': 'atomic' }), 'maxItems'],
    ['a list that does not say how it merges', z.array(text).max(3), 'x-kubernetes-list-type'],
    ['a map without bound', z.record(z.string(), text), 'maxProperties'],
  ])('throws on %s, and names the field', (_, schema, construct) => {
    const made = () => structuralSchema(z.object({ outer: z.object({ inner: schema }) }), { rules: true });
    expect(made).toThrow(construct);
    expect(made).toThrow(construct === '$defs' ? '' : '.outer.inner');
  });

  it('throws on what JSON Schema cannot say', () => {
    expect(() => structuralSchema(z.object({ at: z.date() }), { rules: true })).toThrow('Date');
  });

  it('keeps descriptions, bounds, defaults and what Kubernetes adds', () => {
    const list = z.array(text.describe('inner')).min(1).max(3).meta({ 'x-kubernetes-list-type': 'atomic' });
    expect(structuralSchema(z.object({ list: list.default(['a']).describe('outer') }), { rules: true })).toEqual({
      type: 'object',
      properties: {
        list: {
          description: 'outer',
          type: 'array',
          default: ['a'],
          minItems: 1,
          maxItems: 3,
          'x-kubernetes-list-type': 'atomic',
          items: { description: 'inner', type: 'string', maxLength: 10 },
        },
      },
    });
  });
});
