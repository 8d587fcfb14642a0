import * as z from 'zod';

import { err, ok, type Result } from '../../result.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { nearest } from './nearest.ts';
import { quoted } from './scalars.ts';

/** Checks a value read from the file; the faults stand at `path` and below, one for each thing that is wrong. */
export function checkFields<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: FieldPath,
): Result<T, readonly ConfigFault[]> {
  const checked = schema.safeParse(value, { error: message });
  if (checked.success) return ok(checked.data);
  return err(
    checked.error.issues.flatMap((issue) => {
      const place = [...path, ...issue.path.filter((part) => typeof part !== 'symbol')];
      if (issue.code !== 'unrecognized_keys') return [{ path: place, text: issue.message }];
      const known = issue.message.split(LIST_SEPARATOR);
      return issue.keys.map((key) => ({ path: [...place, key], text: unknownField(key, known) }));
    }),
  );
}

/** The text of a fault, in the words of somebody who writes YAML. */
function message(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}, but is ${described(issue.input)}`;
    case 'invalid_union':
      return issue.input === undefined ? 'is missing' : `must be text or a number, but is ${described(issue.input)}`;
    case 'invalid_value':
      return invalidValue(issue.input, issue.values.map(String));
    case 'too_big':
      return issue.origin === 'array' ? `has more than ${issue.maximum} entries` : `is above ${issue.maximum}`;
    case 'too_small':
      if (issue.origin === 'number' || issue.origin === 'int') return `is below ${issue.minimum}`;
      return 'must not be empty';
    case 'unrecognized_keys':
      // Only here is the schema known; the names travel in the message to where the faults are made.
      return issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape).join(LIST_SEPARATOR) : '';
    default:
      return undefined;
  }
}

function unknownField(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `unknown field; did you mean ${near}?`;
  return `unknown field; known here: ${known.join(', ')}`;
}

function invalidValue(input: unknown, values: readonly string[]): string {
  if (input === undefined) return `is missing: write ${values.join(' or ')}`;
  const near = typeof input === 'string' ? nearest(input, values) : undefined;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return `must be ${values.join(' or ')}, but is ${described(input)}${hint}`;
}

function described(input: unknown): string {
  if (input === null) return 'empty';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  if (typeof input === 'string') return `the text ${quoted(input)}`;
  return `${typeof input === 'number' ? 'the number ' : ''}${String(input)}`;
}

const LIST_SEPARATOR = ', ';
const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a mapping of fields',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
};
