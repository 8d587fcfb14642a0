import type { Paint } from './table.ts';

/** What a text means. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'quiet' | 'strong';

/** Colours on a terminal; elsewhere, and where NO_COLOR says so (no-color.org), texts as they are. */
export function paintFor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const coloured = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return coloured ? (text, tone) => `\u001b[${CODES[tone]}m${text}\u001b[0m` : plainly;
}

/** Texts as they are. */
export const plainly: Paint = (text) => text;

const CODES: Readonly<Record<Tone, number>> = { good: 32, bad: 31, doubtful: 33, quiet: 2, strong: 1 };
