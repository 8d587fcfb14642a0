/**
 * Puts generated text between two lines of a file that people write.
 * @throws Error where a line is missing.
 */
export function withMarkedPart(file: string, text: string, begin: string, end: string, part: string): string {
  const [before = '', rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${file} lacks the lines\n${begin}\n${end}`);
  return `${before}${begin}\n\n${part}\n${end}${after}`;
}
