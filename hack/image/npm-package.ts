import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { runToEnd } from '../lab/host/subprocess.ts';
import { ImageError } from './image-error.ts';

interface LockedPackage {
  readonly version: string;
  readonly integrity: string;
  readonly license?: string;
}

/** A package of the lock file, unpacked. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string | undefined;
  readonly folder: string;
}

/**
 * Fetches a package of the lock file, for whatever processor it is, and unpacks it below `folder` of the cache.
 * What does not have the lock file's hash is refused.
 */
export async function npmPackage(name: string, lockFile: string, cacheFolder: string): Promise<NpmPackage> {
  const { version, integrity, license } = await locked(name, lockFile);
  const unpacked = join(cacheFolder, `${name.replaceAll('/', '+')}-${version}-${short(integrity)}`);
  const found = { name, version, licence: license, folder: join(unpacked, 'package') };
  await mkdir(cacheFolder, { recursive: true });
  if ((await readdir(cacheFolder)).includes(unpacked.slice(cacheFolder.length + 1))) return found;
  const unfinished = await mkdtemp(join(cacheFolder, 'unfinished-'));
  try {
    const archive = await fetch(`${name}@${version}`, unfinished);
    const [algorithm = '', expected] = integrity.split(/-(.*)/s);
    const digest = createHash(algorithm)
      .update(await readFile(archive))
      .digest('base64');
    if (digest !== expected) {
      throw new ImageError(
        `${name}@${version} is not what package-lock.json names: its ${algorithm} hash is ${digest}`,
      );
    }
    await must(['tar', '-xzf', archive, '-C', unfinished]);
    await rm(archive);
    await rename(unfinished, unpacked).catch(ignoreIfThere);
    return found;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function fetch(specifier: string, folder: string): Promise<string> {
  await must(['npm', 'pack', specifier, '--silent', '--pack-destination', folder]);
  const archive = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new ImageError(`npm fetched no archive of ${specifier}`);
  return join(folder, archive);
}

async function locked(name: string, lockFile: string): Promise<LockedPackage> {
  const { packages } = JSON.parse(await readFile(lockFile, 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const found = packages[`node_modules/${name}`];
  if (found === undefined) throw new ImageError(`package-lock.json does not name ${name}`);
  return found;
}

/** Another build was faster. */
function ignoreIfThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
}

function short(integrity: string): string {
  return createHash('sha256').update(integrity).digest('hex').slice(0, 12);
}

async function must(command: readonly [string, ...string[]]): Promise<void> {
  const { code, output } = await runToEnd(command);
  if (code !== 0) throw new ImageError(`'${command.join(' ')}' failed: ${output.trim()}`);
}
