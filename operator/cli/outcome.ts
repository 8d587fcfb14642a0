import { stringify } from 'yaml';

import type { ExitCode } from './exit-code.ts';
import type { Paint } from './text/table.ts';

export type Format = 'table' | 'json' | 'yaml';

/** What a command has to say. */
export interface Outcome {
  readonly code: ExitCode;
  /** For programs. */
  readonly value: unknown;
  /** For people. */
  readonly lines: (paint: Paint) => readonly string[];
  /** What could not be learned, one sentence each; for people on standard error, for programs in `incomplete`. */
  readonly lacks: readonly string[];
}

/** What is printed of an outcome. */
export function outcomeText({ value, lines, lacks }: Outcome, format: Format, paint: Paint): string {
  if (format === 'table') return linesText(lines(paint));
  const whole =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value, incomplete: lacks } : value;
  return format === 'json'
    ? `${JSON.stringify(whole, undefined, 2)}\n`
    : stringify(whole, { aliasDuplicateObjects: false });
}

export function linesText(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
