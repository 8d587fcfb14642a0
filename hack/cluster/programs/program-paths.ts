import { dirname, join } from 'node:path';

import { labCacheFolder } from '../../lab/host/root-folder.ts';
import { buildProgram } from './build.ts';
import { exists } from './files.ts';
import { type ProgramName, programs } from './program.ts';

/** How programs are had. */
export interface ProgramOptions {
  /** Told what takes longer than a second, and how far it is. */
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
  /** How many processors a build may use; all of them by default, niced. */
  readonly jobs?: number;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Where each of some programs lies. */
export type ProgramPaths<Name extends ProgramName> = Readonly<Record<Name, string>>;

/**
 * The paths of programs: those in KUBEBUILDER_ASSETS, where that folder has every one of them, so that versions never
 * mix; else our own, built if they are not in the cache.
 * @throws CannotBuildError where this machine has no Go or gets no Go modules; ClusterError when a build fails.
 */
export async function programPaths<Name extends ProgramName>(
  names: readonly Name[],
  options: ProgramOptions,
): Promise<ProgramPaths<Name>> {
  const environment = options.environment ?? process.env;
  const given = await assets(names, environment);
  if (given !== undefined) return given;
  const cacheFolder = clusterCacheFolder(environment);
  const signal = options.signal ?? new AbortController().signal;
  const paths: [Name, string][] = [];
  for (const name of names) {
    const { say, jobs = 0 } = options;
    const folder = await buildProgram(programs[name], { cacheFolder, say, jobs, signal });
    paths.push([name, join(folder, name)]);
  }
  return Object.fromEntries(paths) as ProgramPaths<Name>;
}

/** Where built programs are cached: below XDG_CACHE_HOME or ~/.cache. */
export function clusterCacheFolder(environment: NodeJS.ProcessEnv): string {
  return join(dirname(labCacheFolder(environment)), 'cluster');
}

/** The folder of envtest's convention, if it is there and enough. */
async function assets<Name extends ProgramName>(
  names: readonly Name[],
  environment: NodeJS.ProcessEnv,
): Promise<ProgramPaths<Name> | undefined> {
  const { KUBEBUILDER_ASSETS: folder } = environment;
  if (folder === undefined || folder === '') return undefined;
  const paths = names.map((name): [Name, string] => [name, join(folder, name)]);
  const found = await Promise.all(paths.map(([, path]) => exists(path)));
  return found.every(Boolean) ? (Object.fromEntries(paths) as ProgramPaths<Name>) : undefined;
}
