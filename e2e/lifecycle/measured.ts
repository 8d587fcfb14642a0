/** What all rows of one event say together. */
interface EventSum {
  readonly event: string;
  readonly sent: number;
  readonly lost: number;
  readonly plaintext: number;
  /** Of the worst row, in seconds. */
  readonly recovery: number;
}

/** The table of the project's README, a line for each event, from all rows as they were measured. */
export function summaryTable(rows: string): string {
  const sums = new Map<string, EventSum>();
  for (const [, event = '', ...counts] of rows.matchAll(ROW)) {
    const [sent = 0, lost = 0, plaintext = 0, recovery = 0] = counts.map(Number);
    const before = sums.get(event) ?? { event, sent: 0, lost: 0, plaintext: 0, recovery: 0 };
    sums.set(event, {
      event,
      sent: before.sent + sent,
      lost: before.lost + lost,
      plaintext: before.plaintext + plaintext,
      recovery: Math.max(before.recovery, recovery),
    });
  }
  return [
    '| event | sent | lost | in plaintext | recovery |',
    '|---|--:|--:|--:|--:|',
    ...[...sums.values()].map(({ event, sent, lost, plaintext, recovery }) => {
      const seconds = recovery === 0 ? '' : `${recovery.toFixed(1)} s`;
      return `| \`${event}\` | ${grouped(sent)} | ${grouped(lost)} | ${grouped(plaintext)} | ${seconds} |`;
    }),
  ].join('\n');
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

const ROW = /^(\S+) +(?:transport|tunnel) +IPv[46] +(\d+) +(\d+) +(\d+) +([\d.]+) +kept$/gm;
