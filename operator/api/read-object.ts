import type * as z from 'zod';

import type { KubernetesObject } from './resource.ts';

/** What is wrong with one field of an object. */
export interface FieldFault {
  /** `spec.remote.gateway.selectors[0].local`; empty: the object as a whole. */
  readonly field: string;
  readonly text: string;
}

/** An object that was read, or everything that is wrong with it. */
export type ReadObject<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: readonly FieldFault[] };

/**
 * Reads an object as the API server does with `fieldValidation=Strict`: defaults filled in, and fields that it does not
 * know are faults, because a misspelt field would silently mean its default.
 */
export function readObject<T extends KubernetesObject>(
  resource: { readonly schema: z.ZodType<T> },
  value: unknown,
): ReadObject<T> {
  const read = readKnownFields(resource, value);
  if (!read.ok) return read;
  const unknown = unknownFields(value, read.value, []);
  if (unknown.length === 0) return read;
  return { ok: false, error: unknown.map((path) => ({ field: fieldText(path), text: 'is unknown here' })) };
}

/** Reads an object that the API server has taken, and passes over the fields that are not known here. */
export function readKnownFields<T extends KubernetesObject>(
  { schema }: { readonly schema: z.ZodType<T> },
  value: unknown,
): ReadObject<T> {
  const parsed = schema.safeParse(value, { error: faultText });
  if (parsed.success) return { ok: true, value: parsed.data };
  return {
    ok: false,
    error: parsed.error.issues.map(({ path, message }) => ({ field: fieldText(path), text: message })),
  };
}

function faultText(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}`;
  return undefined;
}

/** What the schema dropped: it keeps the order of lists. */
function unknownFields(given: unknown, kept: unknown, path: Path): readonly Path[] {
  if (Array.isArray(given)) {
    return given.flatMap((item, index) => unknownFields(item, (kept as readonly unknown[])[index], [...path, index]));
  }
  // The server knows more of the metadata than is read here.
  if (given === null || typeof given !== 'object' || path[0] === 'metadata') return [];
  return Object.entries(given).flatMap(([name, below]) => {
    const found = (kept as Readonly<Record<string, unknown>>)[name];
    return found === undefined ? [[...path, name]] : unknownFields(below, found, [...path, name]);
  });
}

function fieldText(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

type Path = readonly PropertyKey[];
