import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { takeLock } from '../../lab/host/folder-lock.ts';
import { lastLines, runToEnd } from '../../lab/host/subprocess.ts';
import { CannotBuildError, ClusterError } from '../cluster-error.ts';
import { buildEnvironment, buildWords, programFolderName } from './build-plan.ts';
import { exists } from './files.ts';
import { goCommand } from './go.ts';
import type { Program } from './program.ts';

/** What a build may use and tell, and when it must stop. */
export interface BuildOptions {
  readonly cacheFolder: string;
  readonly say: (line: string) => void;
  /** Processors to use; 0 for all. */
  readonly jobs: number;
  readonly signal: AbortSignal;
}

/**
 * The folder that holds the program, built if it is not in the cache.
 * It appears there by one rename: an interrupted build leaves nothing that a later run could take for a program.
 */
export async function buildProgram(program: Program, options: BuildOptions): Promise<string> {
  const sources = await moduleSources(program);
  const finished = join(options.cacheFolder, programFolderName(program, { sources, architecture: process.arch }));
  if (await exists(finished)) return finished;
  options.signal.throwIfAborted();
  await mkdir(options.cacheFolder, { recursive: true });
  const waiting = setTimeout(() => options.say(`waiting for another run that builds, to build ${program.name}`), 1000);
  // Two builds of one module at a time would compile twice what they share.
  const lock = await takeLock(join(options.cacheFolder, `${program.module}.lock`), options.signal).finally(() =>
    clearTimeout(waiting),
  );
  try {
    options.signal.throwIfAborted();
    if (!(await exists(finished))) await build(program, finished, options);
    return finished;
  } finally {
    lock.release();
  }
}

async function build(program: Program, finished: string, options: BuildOptions): Promise<void> {
  for (const name of await readdir(options.cacheFolder)) {
    if (name.startsWith(`${basename(finished)}.unfinished-`)) await remove(join(options.cacheFolder, name));
  }
  // Not the name of an earlier build: what was killed may still be dying in there.
  const unfinished = `${finished}.unfinished-${process.pid}`;
  const started = performance.now();
  try {
    await mkdir(unfinished);
    const go = await goCommand(moduleFolder(program), options);
    options.say(`building ${program.name} from Go modules, once`);
    const packages = await countPackages(go, program, unfinished, options);
    await compile(go, program, packages, unfinished, options);
    if (program.beside !== undefined) await keepBeside(go, program, unfinished, options);
    await rename(unfinished, finished);
    options.say(`built ${program.name} in ${seconds(started)} s`);
  } finally {
    await remove(unfinished);
  }
}

/** How many packages the program has; the count also gets the modules, which is what fails without a network. */
async function countPackages(go: string, program: Program, unfinished: string, options: BuildOptions): Promise<number> {
  const words = ['list', '-deps', program.package];
  const listed = await run(go, words, program, options, { removedOnDeath: unfinished });
  if (listed.code !== 0) throw notListed(program, listed.output);
  return listed.output.split('\n').filter((line) => /^[^\s:]+$/.test(line)).length;
}

function notListed(program: Program, output: string): ClusterError {
  const message = `the Go modules of ${program.name} cannot be had`;
  const unreachable = /dial tcp|no such host|connection refused|i\/o timeout|TLS handshake|Forbidden|GOPROXY=off/;
  if (!unreachable.test(output)) return new ClusterError(`${message}\n${lastLines(output)}`);
  return new CannotBuildError(`${message}; can this machine reach a Go module proxy (GOPROXY)?\n${lastLines(output)}`);
}

async function compile(
  go: string,
  program: Program,
  packages: number,
  unfinished: string,
  options: BuildOptions,
): Promise<void> {
  const started = performance.now();
  let compiled = 0;
  let told = started;
  const onLine = (line: string) => {
    // With -v, a line for each package; those that the compiler kept from an earlier build are not named.
    if (!/^[\w.]+(\/[\w.~-]+)*$/.test(line)) return;
    compiled += 1;
    if (performance.now() - told < toldEveryMs) return;
    told = performance.now();
    options.say(`  ${program.name}: ${compiled} of at most ${packages} packages after ${seconds(started)} s`);
  };
  const words = buildWords(program, join(unfinished, program.name), options.jobs);
  const ended = await run(go, words, program, options, { onLine, removedOnDeath: unfinished });
  if (options.signal.aborted) throw new ClusterError(`the build of ${program.name} was interrupted`);
  if (ended.code !== 0) throw new ClusterError(`${program.name} could not be built\n${lastLines(ended.output)}`);
}

async function keepBeside(go: string, program: Program, unfinished: string, options: BuildOptions): Promise<void> {
  const { name, module, path } = program.beside ?? { name: '', module: '', path: '' };
  const listed = await run(go, ['list', '-m', '-f', '{{.Dir}}', module], program, options, {
    removedOnDeath: unfinished,
  });
  if (listed.code !== 0) throw new ClusterError(`the Go module ${module} was not found\n${lastLines(listed.output)}`);
  const target = join(unfinished, name);
  await cp(join(listed.output.trim(), path), target, { recursive: true });
  // Go's module cache is read-only, and a copy of it could not be removed by its owner.
  await runToEnd(['chmod', '-R', 'u+w', target]);
}

function run(
  go: string,
  words: readonly string[],
  program: Program,
  options: BuildOptions,
  more: { readonly onLine?: (line: string) => void; readonly removedOnDeath: string },
): ReturnType<typeof runToEnd> {
  const assignments = Object.entries(buildEnvironment({}, options.jobs)).map(([name, value]) => `${name}=${value}`);
  const command = ['nice', '-n', '15', 'env', ...assignments, go, '-C', moduleFolder(program), ...words] as const;
  return runToEnd([...command], { signal: options.signal, ...more });
}

/** Everything in the module's folder that Go reads. */
async function moduleSources(program: Program): Promise<ReadonlyMap<string, string>> {
  const folder = moduleFolder(program);
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(go|mod|sum)$/.test(name));
  const files = names.map(
    async (name): Promise<[string, string]> => [name, await readFile(join(folder, name), 'utf8')],
  );
  return new Map(await Promise.all(files));
}

function moduleFolder(program: Program): string {
  return join(import.meta.dirname, '../modules', program.module);
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

const toldEveryMs = 10_000;
