import * as z from 'zod';

import { VALIDATIONS } from './rule.ts';

/** A node of a structural schema, as a CustomResourceDefinition has it. */
export interface StructuralSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly [keyword: string]: unknown;
}

/** Whether the CEL rules go along. */
export interface StructuralOptions {
  readonly rules: boolean;
}

/**
 * The structural schema of a zod schema. Throws, naming the field, on everything that the API server refuses, drops or
 * cannot bound: it runs when the CRDs are generated, so that the mistake never reaches a cluster.
 */
export function structuralSchema(schema: z.ZodType, options: StructuralOptions): StructuralSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'throw', reused: 'inline' });
  return converted(json, '', options);
}

function converted(json: JsonSchema, path: string, options: StructuralOptions): StructuralSchema {
  const found = json['x-kubernetes-int-or-string'] === true ? withoutUnion(json, path) : json;
  for (const [keyword, value] of Object.entries(found)) refuseKeyword(keyword, value, path);
  const kept: Record<string, unknown> = {};
  for (const keyword of KEYWORDS) {
    if (found[keyword] === undefined || (keyword === VALIDATIONS && !options.rules)) continue;
    kept[keyword] = found[keyword];
  }
  refuseUnbounded(kept, path);
  return withWholeDefault({ ...kept, ...nested(kept, path, options) });
}

/**
 * The server judges a default as it is written, before it fills in those of the fields below: an object's must have
 * them all.
 */
function withWholeDefault(schema: StructuralSchema): StructuralSchema {
  const { default: preset, properties = {} } = schema;
  if (typeof preset !== 'object' || preset === null || Array.isArray(preset)) return schema;
  const below = Object.entries(properties).flatMap(([name, field]) =>
    field['default'] === undefined ? [] : [[name, field['default']]],
  );
  return { ...schema, default: { ...Object.fromEntries(below), ...preset } };
}

/** What lies below a node, converted; an object without fields says so by having none. */
function nested(json: JsonSchema, path: string, options: StructuralOptions): JsonSchema {
  const { properties, items, additionalProperties } = json;
  const below: Record<string, unknown> = {};
  if (properties !== undefined) {
    const fields = Object.entries(properties as Record<string, JsonSchema>);
    below['properties'] = Object.fromEntries(
      fields.map(([name, field]) => [name, converted(field, `${path}.${name}`, options)]),
    );
  }
  if (items !== undefined) below['items'] = converted(items as JsonSchema, `${path}[]`, options);
  if (additionalProperties !== undefined) {
    below['additionalProperties'] = converted(additionalProperties as JsonSchema, `${path}{}`, options);
  }
  return below;
}

/** `x-kubernetes-int-or-string` says all that the union of both says; the server wants no types in a union. */
function withoutUnion(json: JsonSchema, path: string): JsonSchema {
  const { anyOf, ...rest } = json;
  const types = (anyOf as readonly JsonSchema[] | undefined)?.map(({ type }) => type);
  if (types?.join() !== 'integer,string') refuse(path, 'x-kubernetes-int-or-string on another union');
  return rest;
}

function refuseKeyword(keyword: string, value: unknown, path: string): void {
  // A record's keys are strings in JSON anyway; any other statement about them is lost.
  if (keyword === 'propertyNames' && JSON.stringify(value) === '{"type":"string"}') return;
  if (!KEYWORDS.includes(keyword)) refuse(path, keyword);
  if (keyword === 'type' && !TYPES.includes(String(value))) refuse(path, `type ${JSON.stringify(value)}`);
  if (keyword === 'format' && !FORMATS.includes(String(value))) refuse(path, `format ${value}`);
  if (keyword === 'pattern' && NOT_RE2.test(String(value))) refuse(path, `the pattern ${value}`);
}

/** Without bounds the server cannot tell what a CEL rule costs, and nobody what an object weighs. */
function refuseUnbounded(json: JsonSchema, path: string): void {
  const lacks = (keyword: string): boolean => json[keyword] === undefined;
  if (json['x-kubernetes-int-or-string'] === true) {
    if (lacks('maxLength')) refuse(path, 'text without maxLength');
    return;
  }
  if (lacks('type')) refuse(path, 'a schema without type');
  if (json['type'] === 'string' && lacks('maxLength') && lacks('enum')) refuse(path, 'a string without maxLength');
  if (json['type'] === 'integer' && (lacks('minimum') || lacks('maximum'))) refuse(path, 'an integer without bounds');
  if (json['type'] === 'array' && lacks('maxItems')) refuse(path, 'a list without maxItems');
  if (json['type'] === 'array' && lacks('x-kubernetes-list-type'))
    refuse(path, 'a list without x-kubernetes-list-type');
  if (json['type'] === 'object' && !lacks('additionalProperties')) {
    if (typeof json['additionalProperties'] === 'boolean') refuse(path, 'additionalProperties without a schema');
    if (lacks('maxProperties')) refuse(path, 'a map without maxProperties');
    if (!lacks('properties')) refuse(path, 'additionalProperties beside properties');
  }
}

function refuse(path: string, construct: string): never {
  throw new Error(`${path === '' ? 'the schema' : path} has ${construct}, which a structural schema cannot have`);
}

type JsonSchema = Readonly<Record<string, unknown>>;

const TYPES: readonly string[] = ['object', 'array', 'string', 'integer', 'boolean'];
const FORMATS: readonly string[] = ['int32', 'int64', 'date-time'];
/** Everything that may stand in a schema of ours, in the order in which it is written. */
const KEYWORDS: readonly string[] = [
  'description',
  'type',
  'format',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  VALIDATIONS,
  'required',
  'properties',
  'items',
  'additionalProperties',
];
/** Look-around and back references, which Go's regular expressions lack. */
const NOT_RE2 = /\(\?(?:[=!]|<[=!])|\\[1-9]/;
