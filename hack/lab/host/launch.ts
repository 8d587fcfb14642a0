import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';

import { endMarkFilter } from './end-mark.ts';
import { guard } from './guard.ts';
import type { KernelKind } from './kernel.ts';
import { LabError } from './lab-error.ts';
import { kernelVariables, modulesFolder, patchedKernel } from './root-folder.ts';
import type { RunFolder } from './run-folder.ts';
import { killGroup } from './subprocess.ts';

/** Where output pieces go, in order of arrival. */
export interface Output {
  readonly stdout: (piece: Uint8Array) => void;
  readonly stderr: (piece: Uint8Array) => void;
}

export interface LaunchOptions {
  readonly kernel: KernelKind;
  readonly root: string;
  /** The folder whose User Mode Linux is booted. Default the root folder. */
  readonly newerKernel?: string | undefined;
  readonly run: RunFolder;
  readonly memoryMib: number;
  /** The launcher's own terminal becomes the command's. */
  readonly terminal: boolean;
  readonly output: Output;
}

/** A command that runs in the lab. */
export interface Launched {
  /** The command's exit code (128 + n for signal n); rejects with a LabError if the lab ended before the command. */
  readonly exit: Promise<number>;
  /** Sends a signal to the command's process group. */
  signal(name: NodeJS.Signals): void;
  /** Ends everything at once. */
  kill(): void;
}

/** Starts the command; the boot scripts in ../guest are the other half. */
export function launch(options: LaunchOptions): Launched {
  return options.kernel === 'uml' ? launchUml(options) : launchDirect(options);
}

function launchUml(options: LaunchOptions): Launched {
  const { root, newerKernel, run } = options;
  const kernelFolder = newerKernel ?? root;
  const console = openSync(join(run.path, 'console.log'), 'a');
  const serial = options.terminal ? ['ssl0=fd:0,fd:1', 'ssl1=null'] : ['ssl0=null,fd:3', 'ssl1=null,fd:4'];
  const words = [
    `mem=${options.memoryMib}M`,
    'root=/dev/root',
    'rootfstype=hostfs',
    `rootflags=${root}`,
    'ro',
    'init=/lab-init',
    `LAB_RUN=${run.path}`,
    'LAB_KERNEL=uml',
    ...(newerKernel === undefined ? [] : [`LAB_MODULES=${join(newerKernel, modulesFolder)}`]),
    ...(options.terminal ? terminalWords() : []),
    ...serial,
    'ssl2=fd:5',
    `uml_dir=${run.path}/`,
    'con=null',
    'con0=null,fd:2',
    'quiet',
    // No security module: nothing here is guarded by one, and each costs at every system call.
    'lsm=',
    // Kernels from 6.16 on can catch system calls and page faults of their processes without ptrace, at half the cost.
    'seccomp=auto',
    'panic=-1',
  ];
  // The guest must not outlive a launcher that was killed; its own processes end with it.
  // env comes last: the host's own programs cannot live with the C library of the kernel's folder.
  const variables = [
    ...kernelVariables(kernelFolder),
    // The kernel keeps its management socket below HOME.
    `HOME=${run.path}`,
    `TMPDIR=${memoryFolder(options.memoryMib, run.path)}`,
  ];
  const kernel = ['env', ...variables, join(kernelFolder, patchedKernel), ...words];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...kernel], {
    cwd: kernelFolder,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: [
      options.terminal ? 'inherit' : 'ignore',
      options.terminal ? 'inherit' : console,
      console,
      'pipe',
      'pipe',
      'pipe',
    ],
    detached: true,
  });
  closeSync(console);
  guard(child, run.path);
  const exit = watchUml(child, options).finally(() => killGroupOf(child));
  return { exit, signal: orders(child), kill: () => killGroupOf(child) };
}

/** The guest's end of the terminal does not know its size. */
function terminalWords(): readonly string[] {
  const { rows, columns } = process.stdout;
  return ['LAB_TERMINAL=yes', `LAB_ROWS=${rows || 24}`, `LAB_COLUMNS=${columns || 80}`];
}

/** Passes the guest's output on and waits for the code and, without a terminal, for the end of both streams. */
function watchUml(child: ChildProcess, options: LaunchOptions): Promise<number> {
  const ended = (number: 3 | 4, sink: (piece: Uint8Array) => void) =>
    new Promise<void>((resolve) => {
      if (options.terminal) resolve();
      const filter = endMarkFilter(options.run.endMark);
      (child.stdio[number] as Readable).on('data', (piece: Buffer) => {
        const found = filter(piece);
        if (found.output.length > 0) sink(found.output);
        if (found.ended) resolve();
      });
    });
  const streams = [ended(3, options.output.stdout), ended(4, options.output.stderr)];
  const gone = new Promise<never>((_, reject) => {
    child.on('error', (error) => reject(new LabError(`the guest cannot be started: ${error.message}`)));
    child.on('exit', () => reject(new LabError(`the guest stopped before the command ended\n${tail(options.run)}`)));
  });
  return Promise.race([gone, Promise.all([exitReport(child), ...streams]).then(([code]) => code)]);
}

function launchDirect(options: LaunchOptions): Launched {
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--uts', '--ipc', '--kill-child=KILL'];
  const script = ['/bin/sh', join(options.run.path, 'boot-direct.sh'), options.run.path, options.root];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, ...script], {
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LAB_KERNEL: 'direct',
      ...(options.terminal ? { LAB_TERMINAL: 'yes' } : {}),
    },
    stdio: [
      options.terminal ? 'inherit' : 'ignore',
      options.terminal ? 'inherit' : 'pipe',
      options.terminal ? 'inherit' : 'pipe',
      'pipe',
    ],
    detached: !options.terminal,
  });
  guard(child, options.run.path);
  child.stdout?.on('data', options.output.stdout);
  child.stderr?.on('data', options.output.stderr);
  const exit = new Promise<number>((resolve, reject) => {
    child.on('error', (error) => reject(new LabError(`the lab cannot be started: ${error.message}`)));
    child.on('close', (code) => {
      if (code === null) reject(new LabError('the lab was killed before the command ended'));
      else resolve(code);
    });
  });
  return { exit, signal: orders(child, 3), kill: () => killGroupOf(child) };
}

function exitReport(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let text = '';
    (child.stdio as readonly unknown[] as readonly Readable[])[5]?.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      const found = /exit (\d+)\r?\n/.exec(text);
      if (found !== null) resolve(Number(found[1]));
    });
  });
}

function orders(child: ChildProcess, descriptor = 5): Launched['signal'] {
  return (name) => {
    (child.stdio as readonly unknown[] as readonly Duplex[])[descriptor]?.write(`${name.slice('SIG'.length)}\n`);
  };
}

/** Also behind a kernel that died by itself: its helper processes may be left. */
function killGroupOf(child: ChildProcess): void {
  killGroup(child.pid, 'SIGKILL');
  child.kill('SIGKILL');
}

/**
 * The folder of the file that is the guest's memory. Containers often have a /dev/shm of 64 MiB, and a guest whose
 * memory file cannot grow dies of SIGBUS.
 */
export function memoryFolder(memoryMib: number, otherwise: string): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= memoryMib * 2 ** 20 ? '/dev/shm' : otherwise;
  } catch {
    return otherwise;
  }
}

function tail(run: RunFolder): string {
  const file = join(run.path, 'console.log');
  // The guest's process also ends after a run that is over, with its folder removed.
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-30).join('\n') : '';
}
