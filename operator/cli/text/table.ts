import type { Tone } from './colour.ts';

/** A cell of a table; its tone is seen on a terminal only. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/** Columns with titles, as kubectl prints them: three blanks between them, nothing behind the last. */
export function table(titles: readonly string[], rows: readonly (readonly Cell[])[], paint: Paint): readonly string[] {
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => plain(row[index] ?? '').length)),
  );
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, index) => {
        const text = plain(cell);
        const gap = index === cells.length - 1 ? '' : ' '.repeat((widths[index] ?? 0) - text.length + 3);
        return `${typeof cell === 'string' ? text : paint(text, cell.tone)}${gap}`;
      })
      .join('')
      .trimEnd();
  return [line(titles), ...rows.map(line)];
}

/** Colours a text, or leaves it as it is. */
export type Paint = (text: string, tone: Tone) => string;

function plain(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}
