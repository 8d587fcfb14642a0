import { rootSchema } from './crd.ts';
import { apiVersion, type Resource } from './resource.ts';
import { VALIDATIONS, type ValidationRule } from './rule.ts';
import type { StructuralSchema } from './structural.ts';

/** Markdown about every field of a kind, from nothing but its schema. */
export function fieldDocs(resource: Resource): string {
  const { kind, plural, shortNames, summary } = resource;
  const root = rootSchema(resource);
  const fields = Object.keys(resource.fields).flatMap((name) =>
    rowsOf(name, root.properties?.[name] ?? {}, root.required?.includes(name) === true),
  );
  const rules = messagesOf(root).map((message) => `- ${message}`);
  return [
    `## ${kind}`,
    '',
    `\`${apiVersion}\`, \`${plural}\` (\`${shortNames.join('`, `')}\`). ${summary}`,
    ...(rules.length === 0 ? [] : ['', ...rules]),
    '',
    '| field | type | default | meaning |',
    '|---|---|---|---|',
    ...fields,
    '',
  ].join('\n');
}

function rowsOf(path: string, schema: StructuralSchema, required: boolean): readonly string[] {
  const item = schema.items;
  const below = item?.properties ?? schema.properties ?? {};
  const inner = item === undefined ? schema : item;
  const prefix = item === undefined ? path : `${path}[]`;
  return [
    rowOf(path, schema, required),
    ...Object.entries(below).flatMap(([name, field]) =>
      rowsOf(`${prefix}.${name}`, field, inner.required?.includes(name) === true),
    ),
  ];
}

function rowOf(path: string, schema: StructuralSchema, required: boolean): string {
  const rules = [...messagesOf(schema), ...(schema.items === undefined ? [] : messagesOf(schema.items))];
  const meaning = [schema.description ?? '', ...rules.map((message) => `*${message}.*`)].join(' ').trim();
  return `| ${[`\`${path}\``, typeText(schema), defaultText(schema, required), escaped(meaning)].join(' | ')} |`;
}

function typeText(schema: StructuralSchema): string {
  const { items, additionalProperties, enum: values } = schema;
  if (schema['x-kubernetes-int-or-string'] === true) return 'number or text';
  if (items !== undefined) return `list of ${typeText(items)}, ${rangeText(schema, 'minItems', 'maxItems')}`;
  if (additionalProperties !== undefined) return `map of ${typeText(additionalProperties)}`;
  if (values !== undefined) return (values as readonly string[]).map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'integer') return `number, ${rangeText(schema, 'minimum', 'maximum')}`;
  if (schema.type === 'string' && schema['format'] === 'date-time') return 'time';
  if (schema.type === 'string') return `text, ${rangeText(schema, 'minLength', 'maxLength')}`;
  return 'object';
}

function rangeText(schema: StructuralSchema, least: string, most: string): string {
  const from = schema[least];
  return from === undefined ? `at most ${schema[most]}` : `${from} to ${schema[most]}`;
}

/** An object's default is made of those of its fields, which have rows of their own. */
function defaultText(schema: StructuralSchema, required: boolean): string {
  const value = schema['default'];
  if (required) return 'required';
  if (value === undefined || schema.type === 'object') return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function messagesOf(schema: StructuralSchema): readonly string[] {
  const rules = (schema[VALIDATIONS] ?? []) as readonly ValidationRule[];
  return rules.map(({ message, fieldPath }) =>
    fieldPath === undefined ? capital(message) : `\`${fieldPath.slice(1)}\` ${message}`,
  );
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** A bar would end the cell. */
function escaped(text: string): string {
  return text.replaceAll('|', '\\|');
}
