import { err, ok, type Result } from '../../../agent/result.ts';

/** A section of a vici message as `swanctl --pretty` prints it. */
export interface ViciSection {
  readonly [name: string]: string | readonly string[] | ViciSection;
}

/**
 * Parses what `swanctl --list-sas --pretty` prints: one message after another, each `NAME event {` or `NAME reply {`.
 * The one-line form of `--raw` is the same message, but ambiguous: values such as distinguished names hold spaces and
 * equal signs.
 */
export function parseVici(text: string): Result<readonly ViciSection[], string> {
  const messages: ViciSection[] = [];
  const open: Record<string, string | readonly string[] | ViciSection>[] = [];
  let list: { readonly name: string; readonly items: string[] } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const current = open.at(-1);
    const setting = /^([^=\s]+) = (.*)$/.exec(line);
    if (line === '') continue;
    if (list !== undefined) {
      if (line !== ']') list.items.push(line);
      else list = undefined;
    } else if (line === '}') {
      if (open.pop() === undefined) return err(`line ${index + 1}: a section ends that never began`);
    } else if (line.endsWith(' {')) {
      const section: Record<string, string | readonly string[] | ViciSection> = {};
      if (current === undefined) messages.push(section);
      else current[line.slice(0, -2)] = section;
      open.push(section);
    } else if (current === undefined || setting === null) {
      return err(`line ${index + 1}: '${line}' is neither section nor setting`);
    } else if (setting[2] === '[') {
      list = { name: setting[1] ?? '', items: [] };
      current[list.name] = list.items;
    } else {
      current[setting[1] ?? ''] = setting[2] ?? '';
    }
  }
  return open.length > 0 || list !== undefined ? err('the text ends within a section') : ok(messages);
}
