import { type BenchResult, type Target, verdict } from './bench.ts';
import type { Machine } from './machine.ts';

/** One line of JSON: bench, parameters and figures side by side, then what they are made of and where they come from. */
export function jsonLine(result: BenchResult, machine: Machine): string {
  const { bench, parameters, figures, targets, parts } = result;
  return JSON.stringify({
    bench,
    ...parameters,
    ...figures,
    ...(parts && { [parts.name]: parts.rows }),
    targets: targets.map((target) => ({ ...target, verdict: verdict(result, target) })),
    machine,
  });
}

/** A result for people. */
export function resultText(result: BenchResult): string {
  const { bench, parameters, figures, targets, parts } = result;
  const words = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const verdicts = new Map(targets.map((target) => [target.figure, `${verdict(result, target)} (${goal(target)})`]));
  const figureRows = Object.entries(figures).map(([name, value]) => [name, number(value), verdicts.get(name) ?? '']);
  const partTable =
    parts === undefined ? [] : ['', ...tableOf(parts.rows)].map((line) => (line === '' ? '' : `  ${line}`));
  return [`${bench}: ${words.join(', ')}`, ...aligned(figureRows), ...partTable].join('\n');
}

/** The machine for people. */
export function machineText(machine: Machine): string {
  const { processors, processor, platform, node, openssl } = machine;
  return `${processors} × ${processor}, ${platform}, Node ${node}, OpenSSL ${openssl}`;
}

function goal({ bound, limit, aim }: Target): string {
  const sign = bound === 'atLeast' ? '≥' : '≤';
  return aim === undefined ? `${sign} ${number(limit)}` : `${sign} ${number(limit)}, aim ${sign} ${number(aim)}`;
}

function tableOf(rows: readonly Readonly<Record<string, string | number>>[]): readonly string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const cells = rows.map((row) => Object.values(row).map((cell) => (typeof cell === 'number' ? number(cell) : cell)));
  return aligned([Object.keys(first), ...cells]);
}

/** Columns as wide as their widest cell; the first to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return /^[\d.,]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
    });
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

/** Three digits are more than the noise leaves certain; whole numbers are given whole. */
function number(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}
