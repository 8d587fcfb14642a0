import { readFileSync } from 'node:fs';
import { access, chmod, copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

import { installBuilder, installCompiler } from './debian-builder.ts';
import { takeLock } from './folder-lock.ts';
import { LabError } from './lab-error.ts';
import { type Recipe, recipeFolderName } from './recipe.ts';
import { lastLines, runToEnd } from './subprocess.ts';

/** Where root folders are cached: below XDG_CACHE_HOME or ~/.cache. */
export function labCacheFolder(environment: NodeJS.ProcessEnv): string {
  const { XDG_CACHE_HOME: base } = environment;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'ikemesh', 'lab');
}

/** What a build may tell and when it must stop. */
export interface BuildOptions {
  readonly cacheFolder: string;
  /** Told one line before everything that takes longer than a second. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The path of the recipe's root folder, built if it is not in the cache.
 * It appears there by one rename: an interrupted build leaves nothing that a later run could take for a root folder.
 */
export async function rootFolder(recipe: Recipe, options: BuildOptions): Promise<string> {
  const name = recipeFolderName(recipe, await customizationText());
  const finished = join(options.cacheFolder, name);
  if (await exists(finished)) return finished;
  await mkdir(options.cacheFolder, { recursive: true });
  const waiting = setTimeout(() => options.say('waiting for another run that builds the root folder'), 1000);
  const lock = await takeLock(join(options.cacheFolder, `${name}.lock`), options.signal).finally(() =>
    clearTimeout(waiting),
  );
  try {
    if (!(await exists(finished))) await build(recipe, finished, options);
    return finished;
  } finally {
    lock.release();
  }
}

async function build(recipe: Recipe, finished: string, options: BuildOptions): Promise<void> {
  // Not the name of an earlier build: what was killed may still be dying in there.
  const unfinished = `${finished}.unfinished-${process.pid}`;
  for (const name of await readdir(options.cacheFolder)) {
    if (name.startsWith(`${basename(finished)}.unfinished-`)) await remove(join(options.cacheFolder, name));
  }
  await installBuilder(options);
  options.say(
    `building a folder of Debian ${recipe.suite} with ${recipe.packages.length} packages (${recipe.unpackedOnly === true ? '10' : '20'} to 60 s, once)`,
  );
  try {
    const root = join(unfinished, 'root');
    const temporary = join(unfinished, 'tmp');
    await mkdir(temporary, { recursive: true });
    const made = await runToEnd(['env', `TMPDIR=${temporary}`, ...mmdebstrapCommand(recipe, root)], {
      signal: options.signal,
      removedOnDeath: unfinished,
      onLine: (line) => {
        const stage = /^I: ((?:running|downloading|extracting|installing|cleaning).*)/.exec(line)?.[1];
        if (stage !== undefined) options.say(`  ${stage}`);
      },
    });
    if (options.signal.aborted) throw new LabError('the build of the root folder was interrupted');
    if (made.code !== 0) {
      throw new LabError(`mmdebstrap failed; can this machine reach a Debian mirror?\n${lastLines(made.output)}`);
    }
    if (await exists(join(root, 'usr/bin/sh'))) await makeBootable(root);
    await prepareKernel(root, options);
    await rename(root, finished);
  } finally {
    await remove(unfinished);
  }
}

/** mmdebstrap without a mount, so that it runs with the capabilities of an ordinary container. */
function mmdebstrapCommand(recipe: Recipe, target: string): [string, ...string[]] {
  return [
    'mmdebstrap',
    `--variant=${recipe.unpackedOnly === true ? 'extract' : 'minbase'}`,
    '--mode=root',
    '--format=directory',
    '--skip=check/canmount,chroot/mount',
    '--aptopt=APT::Install-Recommends "false"',
    ...(recipe.unreleased === true ? ['--aptopt=Acquire::Check-Valid-Until "false"'] : []),
    '--dpkgopt=path-exclude=/usr/share/man/*',
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
    `--include=${recipe.packages.join(',')}`,
    recipe.suite,
    target,
  ];
}

/** What a plain Debian folder lacks to be booted by the lab. */
async function makeBootable(root: string): Promise<void> {
  await copyFile(stubFile, join(root, 'lab-init'));
  await chmod(join(root, 'lab-init'), 0o755);
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost lab\n::1 localhost lab\n');
  await writeFile(join(root, 'etc/resolv.conf'), '');
  // What scripts of base-files and base-passwd do where they have run.
  await mkdir(join(root, 'mnt'), { recursive: true });
  for (const name of ['passwd', 'group']) {
    const [file, master] = [join(root, 'etc', name), join(root, `usr/share/base-passwd/${name}.master`)];
    if (!(await exists(file))) await copyFile(master, file);
  }
  await mkdir(join(root, 'usr/lib/modules'), { recursive: true });
  for (const release of await readdir(join(root, modulesFolder)).catch(() => [])) {
    await symlink(`../uml/modules/${release}`, join(root, 'usr/lib/modules', release));
  }
}

/** Makes the kernel startable from within its folder and on any processor, where there is one. */
async function prepareKernel(root: string, options: BuildOptions): Promise<void> {
  const kernel = join(root, 'usr/bin/linux.uml');
  if (!(await exists(kernel))) return;
  // Packages that were only unpacked lack the links of a merged /usr.
  if (!(await exists(join(root, 'lib64')))) await symlink('usr/lib64', join(root, 'lib64'));
  await writeFile(join(root, patchedKernel), withRelativeInterpreter(await readFile(kernel)), { mode: 0o755 });
  await installCompiler(options);
  const compiled = await runToEnd(['tcc', '-shared', '-nostdlib', '-o', join(root, kernelPreload), preloadSource]);
  if (compiled.code !== 0) throw new LabError(`tcc cannot compile ${preloadSource}\n${lastLines(compiled.output)}`);
}

/** What the kernel's program needs in its environment to run with the C library of the folder that has it. */
export function kernelVariables(folder: string): readonly string[] {
  const libraries = `LD_LIBRARY_PATH=${join(folder, librariesFolder)}`;
  return hasAmx() ? [libraries, `LD_PRELOAD=${join(folder, kernelPreload)}`] : [libraries];
}

/** Whether this processor has registers for which the kernel's program has no room; the source of what is preloaded says more. */
function hasAmx(): boolean {
  return /^flags\s*:.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/** The kernel that the lab starts, its C library and its modules, relative to the folder that has it. */
export const patchedKernel = 'usr/bin/linux.lab';
export const librariesFolder = 'usr/lib/x86_64-linux-gnu';
export const modulesFolder = 'usr/lib/uml/modules';
const kernelPreload = 'usr/lib/uml/whole-xstate.so';

/**
 * A copy of the kernel's program whose dynamic loader is named relative to the working directory.
 * Started from within the root folder, it uses that root's C library without chroot, and so can show the guest any
 * folder of the host. The loader cannot be called directly: the kernel lays its memory out from its own program break.
 */
export function withRelativeInterpreter(program: Uint8Array): Uint8Array {
  const patched = Buffer.from(program);
  const absolute = '/lib64/ld-linux-x86-64.so.2\0';
  const at = patched.indexOf(absolute, 0, 'latin1');
  if (at < 0) throw new LabError('linux.uml names no x86-64 dynamic loader; User Mode Linux exists for x86-64 only');
  patched.write(`${absolute.slice(1)}\0`, at, 'latin1');
  return patched;
}

/** Everything beside the recipe that decides the content of a root folder. */
async function customizationText(): Promise<string> {
  return [
    process.arch,
    mmdebstrapCommand({ name: '', suite: '', packages: [] }, '').join(' '),
    `layout ${layoutVersion}`,
    await readFile(stubFile, 'utf8'),
    await readFile(preloadSource, 'utf8'),
  ].join('\n');
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** To be raised with every change of what `build` does after mmdebstrap: folders built before the change are then left unused. */
const layoutVersion = 2;

const stubFile = join(import.meta.dirname, '../guest/lab-init');
const preloadSource = join(import.meta.dirname, '../guest/whole-xstate.c');
