import { clusterEvents } from './cluster-events.ts';
import { events } from './events.ts';
import type { Row } from './row.ts';

/** The first lines of the table. */
export function tableHead(): string {
  return `${line(HEADINGS)}\n${line(HEADINGS.map((heading) => '-'.repeat(heading.length)))}`;
}

/** A row of the table, with the reason below it where there is one. */
export function tableRow({ event, mode, family, outcome, counts, why }: Row): string {
  const numbers =
    counts === undefined
      ? ['', '', '', '']
      : [counts.sentPackets, counts.lostPackets, counts.plaintextPackets, counts.recoverySeconds];
  const words = outcome === 'broken' ? 'BROKEN' : outcome;
  const text = line([event, mode, family, ...numbers.map(String), words]);
  return why === undefined ? text : `${text}\n    ${why}`;
}

/** The last line. */
export function tableFoot(rows: readonly Row[]): string {
  const count = (outcome: Row['outcome']) => rows.filter((row) => row.outcome === outcome).length;
  const skipped = count('skipped');
  return `${count('kept')} kept, ${count('broken')} broken${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index < LEFT_CELLS ? cell.padEnd(WIDTHS[index] ?? 0) : cell.padStart(WIDTHS[index] ?? 0)))
    .join('  ')
    .trimEnd();
}

const HEADINGS = ['event', 'mode', 'family', 'sent', 'lost', 'plaintext', 'recovery s', 'promise'];
const LEFT_CELLS = 3;
const WIDTHS = [Math.max(...[...events, ...clusterEvents].map(({ name }) => name.length)), 9, 6, 7, 6, 9, 10, 7];
