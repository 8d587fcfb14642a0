/** What differs between two values, one `path: before → after` each; at most some, and how many more. */
export function fieldChanges(before: unknown, after: unknown, most = MAX_CHANGES): readonly string[] {
  const all = changesAt('', before, after);
  return all.length <= most ? all : [...all.slice(0, most), `and ${all.length - most} more`];
}

function changesAt(path: string, before: unknown, after: unknown): readonly string[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => changesAt(path === '' ? name : `${path}.${name}`, before[name], after[name]));
  }
  const [left, right] = [JSON.stringify(before), JSON.stringify(after)];
  if (left === right) return [];
  return [`${path}: ${text(left)} → ${text(right)}`];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(json: string | undefined): string {
  if (json === undefined) return 'nothing';
  return json.replace(/^"(.*)"$/, '$1').slice(0, MAX_TEXT);
}

const MAX_CHANGES = 8;
const MAX_TEXT = 120;
