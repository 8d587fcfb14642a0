import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

import { guard } from '../../lab/host/guard.ts';
import { memoryFolder } from '../../lab/host/launch.ts';
import { kernelVariables, patchedKernel } from '../../lab/host/root-folder.ts';
import { killGroup, lastLines } from '../../lab/host/subprocess.ts';

export interface GuestOptions {
  /** The root folder that it boots from, read-only. */
  readonly root: string;
  /** The node's own folder, which has boot-uml.sh; the guest sees it as it is. */
  readonly folder: string;
  /** A file that is its disk; without, it keeps nothing. */
  readonly disk?: string;
  readonly memoryMib: number;
  /** The TAP that is its network interface, and the interface's MAC address. */
  readonly tap: string;
  readonly mac: string;
  /** Makes a command run where the TAP is. */
  readonly inside: (command: readonly string[]) => readonly string[];
}

/** A machine that runs: a User Mode Linux kernel with its processes, which ends at the latest with this process. */
export class Guest {
  readonly #child: ChildProcess;
  readonly #consoleFile: string;
  /** Settled when it has powered off or was killed. */
  readonly ended: Promise<void>;

  /** Boots it. */
  constructor(options: GuestOptions) {
    const { root, folder } = options;
    this.#consoleFile = join(folder, 'console.log');
    const console = openSync(this.#consoleFile, 'a');
    const kernel = ['env', ...variables(options), join(root, patchedKernel), ...kernelWords(options)];
    const [program = '', ...words] = ['setpriv', '--pdeathsig', 'KILL', '--', ...options.inside(kernel)];
    this.#child = spawn(program, words, {
      cwd: root,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['ignore', console, console, 'pipe'],
      detached: true,
    });
    closeSync(console);
    guard(this.#child, folder);
    this.ended = new Promise((resolve) => {
      const end = () => {
        // Behind a kernel that died by itself its helper processes may be left.
        killGroup(this.#child.pid, 'SIGKILL');
        resolve();
      };
      this.#child.on('exit', end);
      this.#child.on('error', end);
    });
  }

  /** Its first serial line. */
  get serialLine(): Duplex {
    return (this.#child.stdio as readonly unknown[])[3] as Duplex;
  }

  /** The end of what its kernel and its first process have said. */
  get console(): string {
    return lastLines(readFileSync(this.#consoleFile, 'utf8'), 30);
  }

  /** Cuts its power. */
  async kill(): Promise<void> {
    killGroup(this.#child.pid, 'SIGKILL');
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

function kernelWords({ root, folder, disk, memoryMib, tap, mac }: GuestOptions): readonly string[] {
  return [
    `mem=${memoryMib}M`,
    'root=/dev/root',
    'rootfstype=hostfs',
    `rootflags=${root}`,
    'ro',
    'init=/lab-init',
    `LAB_RUN=${folder}`,
    ...(disk === undefined ? [] : [`ubd0=${disk}`]),
    `vec0:transport=tap,ifname=${tap},mac=${mac},depth=128`,
    'ssl0=fd:3',
    `uml_dir=${folder}/`,
    'con=null',
    'con0=null,fd:2',
    'quiet',
    // No security module: nothing here is guarded by one, and each costs at every system call.
    'lsm=',
    // Kernels from 6.16 on can catch system calls and page faults of their processes without ptrace, at half the cost.
    'seccomp=auto',
    'panic=-1',
  ];
}

function variables({ root, folder, memoryMib }: GuestOptions): readonly string[] {
  return [
    ...kernelVariables(root),
    // The kernel keeps its management socket below HOME.
    `HOME=${folder}`,
    `TMPDIR=${memoryFolder(memoryMib, folder)}`,
  ];
}
