import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

import type { JsonSchema } from './values-schema.ts';

/** A value of the chart: what `values.yaml` says of it. */
export interface DocumentedValue {
  /** Names from the outermost to the innermost. */
  readonly path: readonly string[];
  readonly meaning: string;
  readonly defaultValue: unknown;
}

/**
 * Reads the comments above the values.
 * @throws Error where a value lacks one, or where file and schema do not have the same values.
 */
export function documentedValues(text: string, schema: JsonSchema): readonly DocumentedValue[] {
  const document = parseDocument(text);
  if (!isMap(document.contents)) throw new Error('values.yaml is no map');
  return valuesOf(document.contents, document.commentBefore ?? '', schema, []);
}

/** `firstComment` is the one above the first value, which the parser gives to the whole. */
function valuesOf(
  map: YAMLMap,
  firstComment: string,
  { properties = {} }: JsonSchema,
  path: readonly string[],
): readonly DocumentedValue[] {
  const names = map.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
  const unknown = names.filter((name) => properties[name] === undefined);
  const missing = Object.keys(properties).filter((name) => !names.includes(name) && name !== 'global');
  const faults = [
    ...unknown.map((name) => `${name} is not in the schema`),
    ...missing.map((name) => `${name} is missing`),
  ];
  if (faults.length > 0) throw new Error(`values.yaml: ${['', ...path].join('.')}: ${faults.join(', ')}`);
  return map.items.flatMap(({ key, value }, index) => {
    const name = names[index] ?? '';
    const inner = properties[name];
    if (inner?.properties !== undefined && name !== 'resources' && isMap(value)) {
      return valuesOf(value, value.commentBefore ?? '', inner, [...path, name]);
    }
    const comment = (isScalar(key) ? key.commentBefore : undefined) ?? (index === 0 ? firstComment : '');
    const meaning = comment.trim().replace(/\s*\n\s*/g, ' ');
    if (meaning === '') throw new Error(`values.yaml: ${[...path, name].join('.')} has no comment`);
    const defaultValue: unknown = (value as { toJSON?: () => unknown } | null)?.toJSON?.();
    return [{ path: [...path, name], meaning, defaultValue }];
  });
}

/** The schema with what the values mean and are, for editors that show it. */
export function describedSchema(schema: JsonSchema, values: readonly DocumentedValue[]): JsonSchema {
  return values.reduce((made, value) => described(made, value.path, value), schema);
}

function described(schema: JsonSchema, path: readonly string[], value: DocumentedValue): JsonSchema {
  const [name, ...rest] = path;
  if (name === undefined) return { description: value.meaning, default: value.defaultValue, ...schema };
  const { properties = {} } = schema;
  const inner = properties[name];
  if (inner === undefined) throw new Error(`the schema has no ${name}`);
  return { ...schema, properties: { ...properties, [name]: described(inner, rest, value) } };
}

/** The values as a table in Markdown. */
export function valuesTable(values: readonly DocumentedValue[]): string {
  const rows = values.map(({ path, meaning, defaultValue }) => {
    const cell = `\`${JSON.stringify(defaultValue)}\``.replaceAll('|', '\\|');
    return `| \`${path.join('.')}\` | ${cell} | ${meaning.replaceAll('|', '\\|')} |`;
  });
  return ['| value | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
