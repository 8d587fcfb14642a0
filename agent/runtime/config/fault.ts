import { MAX_FAULTS_SHOWN } from './limits.ts';

/** Where something stands in the configuration: names of fields and indexes of list entries. */
export type FieldPath = readonly (string | number)[];

/** One thing that is wrong, or questionable, with the configuration. */
export interface ConfigFault {
  readonly path: FieldPath;
  /** What is wrong with the field and what to write; without its name. */
  readonly text: string;
  /** From 1, where the file tells. */
  readonly position?: Position | undefined;
}

/** Line and column of the file, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** `node.yaml:14:9: peers[2].children[0].selectors[0].local: "10.1.0.1/24" has …`; one line, whatever the fault quotes. */
export function formatFault(file: string, fault: ConfigFault): string {
  const place = fault.position === undefined ? file : `${file}:${fault.position.line}:${fault.position.column}`;
  const field = fault.path.length === 0 ? '' : `${formatPath(fault.path)}: `;
  return oneLine(`${place}: ${field}${fault.text}`);
}

/** All faults in the order of the file, one line each; beyond a bound only their number. */
export function formatFaults(file: string, faults: readonly ConfigFault[]): readonly string[] {
  const sorted = faults.toSorted((left, right) => lineOf(left) - lineOf(right));
  const lines = sorted.slice(0, MAX_FAULTS_SHOWN).map((fault) => formatFault(file, fault));
  if (faults.length > MAX_FAULTS_SHOWN) lines.push(`${file}: ${faults.length - MAX_FAULTS_SHOWN} more faults`);
  return lines;
}

/** `peers[2].children[0].name` */
export function formatPath(path: FieldPath): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${part}`))
    .join('');
}

function lineOf(fault: ConfigFault): number {
  return fault.position?.line ?? 0;
}

/** Whatever was quoted from the file must not be able to forge a second line or move the terminal's cursor. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}
