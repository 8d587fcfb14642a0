import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How a program of this folder is run. */
export interface OwnProcess {
  /** Writes what it has read as JSON to standard output. */
  readonly program: URL;
  readonly words: readonly string[];
  readonly nodeFlags?: readonly string[];
  /**
   * All of its threads on one processor. On several V8 collects garbage with as many threads, which wait for one another
   * and for one another's caches: less time on the clock, a tenth more processor time, and figures that depend on how
   * many processors there are.
   */
  readonly onOneProcessor?: true;
  readonly timeoutMs: number;
}

/** What a program reads in a process in which nothing else has run. Throws when it fails: a bench without figures is none. */
export function readInOwnProcess<Readings>(process: OwnProcess): Readings {
  const { program, timeoutMs } = process;
  const [command = '', ...words] = commandLine(process);
  const { status, stdout, error } = spawnSync(command, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: timeoutMs,
  });
  if (status !== 0) throw error ?? new Error(`${program.pathname} ended with status ${status}`);
  return JSON.parse(stdout) as Readings;
}

function commandLine({ program, words, nodeFlags = [], onOneProcessor }: OwnProcess): readonly string[] {
  const node = [process.execPath, ...nodeFlags, program.pathname, ...words];
  return onOneProcessor ? ['taskset', '--cpu-list', String(lastProcessor()), ...node] : node;
}

/** The last processor that this process may use: interrupts tend to go to the first. */
function lastProcessor(): number {
  const allowed = /^Cpus_allowed_list:\s*(?:.*[,-])?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (allowed?.[1] === undefined) throw new Error('/proc/self/status does not say which processors may be used');
  return Number(allowed[1]);
}
