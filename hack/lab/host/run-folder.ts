import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A host folder that is visible in the lab under the same path. */
export interface Share {
  readonly path: string;
  readonly mode: 'ro' | 'rw';
}

/** What a run hands to the lab. */
export interface RunContent {
  readonly command: readonly string[];
  readonly workingFolder: string;
  /** The whole environment of the command, PATH included. */
  readonly environment: ReadonlyMap<string, string>;
  readonly shares: readonly Share[];
}

/** The folder through which launcher and lab exchange what a run needs; seen by the lab as /run/lab. */
export interface RunFolder {
  readonly path: string;
  /** What the lab writes behind the last byte of either output stream. */
  readonly endMark: string;
  remove(): void;
}

/** Makes a run folder, readable by its owner only: the environment may hold secrets. */
export function makeRunFolder(content: RunContent): RunFolder {
  const path = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const endMark = `\u0001lab end ${randomBytes(12).toString('hex')}\u0001`;
  for (const script of guestScripts) copyFileSync(join(guestFolder, script), join(path, script));
  writeFileSync(join(path, 'end-mark'), endMark);
  writeFileSync(join(path, 'shares'), content.shares.map((share) => `${share.mode} ${share.path}\n`).join(''));
  writeFileSync(join(path, 'command.sh'), commandScript(content));
  return { path, endMark, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Removes run folders that nothing could remove at the time, as after a power cut: older than a day, and their launcher
 * is no more.
 */
export function removeAbandonedRunFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, owner] = /^ikemesh-lab-(\d+)-/.exec(name) ?? [];
    const path = join(tmpdir(), name);
    if (owner === undefined || isRunning(Number(owner))) continue;
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 24 * 3600 * 1000) rmSync(path, { recursive: true, force: true });
  }
}

/** The shell script that sets environment and working folder and becomes the command. */
export function commandScript(content: Pick<RunContent, 'command' | 'workingFolder' | 'environment'>): string {
  const exports = [...content.environment]
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const command = content.command.map(quoted).join(' ');
  return `${unwanted}${exports.join('')}cd ${quoted(content.workingFolder)} || exit 125\nexec ${command}\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Whether a process of this host is alive. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// Words of the guest's command line arrive as variables of its first process.
const unwanted = 'unset mem seccomp uml_dir LAB_RUN LAB_MODULES LAB_TERMINAL LAB_ROWS LAB_COLUMNS TERM OLDPWD\n';
const prefix = 'ikemesh-lab-';
const guestFolder = join(import.meta.dirname, '../guest');
const guestScripts = ['boot-uml.sh', 'boot-direct.sh', 'file-systems.sh', 'supervise-uml.sh', 'start.sh'] as const;
