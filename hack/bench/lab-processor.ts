import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { waitUntil } from '../lab/runner/wait-until.ts';

/**
 * Processor time of the kernel in which a scenario measures, with all that runs in it. User Mode Linux is a process like
 * others, and by its own clock it works whenever other processes do in its place: so the host is asked, which knows what
 * it got. A kernel that the scenario shares with the host has only its own account.
 */
export class LabProcessor {
  readonly #folder: string;
  #asked = 0;

  /** `folder` is that of the scenario. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Seconds that were spent so far, on everything: programs, system calls, interrupts. */
  async busySeconds(): Promise<number> {
    if (process.env['LAB_KERNEL'] !== 'uml') return busySecondsOf(readFileSync('/proc/stat', 'utf8'));
    this.#asked += 1;
    const file = answerFile(this.#folder, this.#asked);
    process.stdout.write(`${QUESTION}${this.#asked}\n`);
    await waitUntil('the host to tell its clock', () => existsSync(file), { intervalMs: 5 });
    return Number(readFileSync(file, 'utf8'));
  }
}

/** On the host: answers a line of a scenario that asks for processor time, which is then no progress to tell. */
export function answersClock(line: string, folder: string): boolean {
  if (!line.startsWith(QUESTION)) return false;
  const file = answerFile(folder, Number(line.slice(QUESTION.length)));
  // Under its name only when it is complete.
  writeFileSync(`${file}.new`, `${descendantSeconds(process.pid)}`);
  renameSync(`${file}.new`, file);
  return true;
}

/** Seconds of processor time of all processes that come from this one, those that have ended included. */
export function descendantSeconds(ancestor: number): number {
  const processes = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? processOf(Number(name)) : []));
  const children = Map.groupBy(processes, ({ parent }) => parent);
  const below = (pid: number): number =>
    (children.get(pid) ?? []).reduce((sum, child) => sum + child.ownTicks + child.endedTicks + below(child.pid), 0);
  const ended = processes.find(({ pid }) => pid === ancestor)?.endedTicks ?? 0;
  return (ended + below(ancestor)) / TICKS_PER_SECOND;
}

/** Seconds that all processors were busy, of the text of /proc/stat. */
export function busySecondsOf(procStat: string): number {
  const line = /^cpu +(.*)$/m.exec(procStat)?.[1];
  if (line === undefined) throw new Error('/proc/stat has no line of all processors');
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = line.split(' ').map(Number);
  return (user + nice + system + interrupts + softInterrupts) / TICKS_PER_SECOND;
}

/** What the kernel says of a process. */
interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly ownTicks: number;
  /** Of its children that have ended and been waited for, and of theirs. */
  readonly endedTicks: number;
}

function processOf(pid: number): readonly ProcessTimes[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // It has ended since: what it spent is its parent's.
    return [];
  }
  // Fields from the third on (proc_pid_stat(5)); the name before may have spaces and brackets.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
  return [{ pid, parent, ownTicks: user + system, endedTicks: endedUser + endedSystem }];
}

function answerFile(folder: string, number: number): string {
  return join(folder, `clock-${number}`);
}

const QUESTION = 'clock ';
/** USER_HZ, which is 100 on every architecture that Node runs on (proc_stat(5)). */
const TICKS_PER_SECOND = 100;
