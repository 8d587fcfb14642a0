import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { installBuilder } from '../lab/host/debian-builder.ts';
import { runToEnd } from '../lab/host/subprocess.ts';
import { ImageError } from './image-error.ts';
import type { Platform } from './platform.ts';

/** The libraries that Node is linked with, and the package that holds the licence of three of them. */
const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1', 'gcc-14-base'] as const;
const SUITE = 'trixie';

/** A Debian package, by what decides its content. */
export interface Pin {
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
}

export interface DebianPackage extends Pin {
  /** The .deb. */
  readonly file: string;
}

export interface FetchOptions {
  readonly cacheFolder: string;
  readonly say: (line: string) => void;
}

/** The pinned packages: from the cache, or from Debian's archive if it still has just these. */
export async function pinnedPackages(
  platform: Platform,
  pins: readonly Pin[],
  options: FetchOptions,
): Promise<readonly DebianPackage[]> {
  const cached = await fromCache(platform, pins, options.cacheFolder);
  if (cached !== undefined) return cached;
  const served = await newestPackages(platform, options);
  for (const pin of pins) {
    const { version, sha256 } = served.find((each) => each.package === pin.package) ?? {};
    if (sha256 === pin.sha256) continue;
    throw new StalePinsError(
      `Debian ${SUITE} serves ${pin.package} ${version ?? '(none)'} for ${platform.architecture}, and no longer the pinned ` +
        `${pin.version}; 'npm run image -- --update-pins' takes what it serves now`,
    );
  }
  return served.filter((each) => pins.some((pin) => pin.package === each.package));
}

/** Debian has moved on since the pins were taken. */
export class StalePinsError extends ImageError {}

/** What Debian's archive serves now, kept in the cache by its hash. */
export async function newestPackages(
  platform: Platform,
  { cacheFolder, say }: FetchOptions,
): Promise<readonly DebianPackage[]> {
  await installBuilder({ say, signal: new AbortController().signal });
  say(`fetching ${PACKAGES.length} libraries of Debian ${SUITE} for ${platform.architecture}`);
  await mkdir(cacheFolder, { recursive: true });
  const unfinished = await mkdtemp(join(cacheFolder, 'unfinished-'));
  try {
    await download(platform, unfinished);
    const packages: DebianPackage[] = [];
    for (const name of (await readdir(unfinished)).filter((each) => each.endsWith('.deb')).sort()) {
      const [, packageName = '', version = ''] = /^([^_]+)_([^_]+)_/.exec(name) ?? [];
      if (!(PACKAGES as readonly string[]).includes(packageName)) continue;
      const content = await readFile(join(unfinished, name));
      const sha256 = createHash('sha256').update(content).digest('hex');
      const file = join(cacheFolder, `${sha256}.deb`);
      await rename(join(unfinished, name), file);
      packages.push({ package: packageName, version: decodeURIComponent(version), sha256, file });
    }
    if (packages.length !== PACKAGES.length) {
      throw new ImageError(`Debian served ${packages.length} of the ${PACKAGES.length} libraries that Node needs`);
    }
    return packages;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** mmdebstrap finds the archive, checks its signatures and downloads, for any processor and without a mount. */
async function download(platform: Platform, folder: string): Promise<void> {
  const command = [
    'mmdebstrap',
    '--variant=extract',
    '--mode=root',
    '--skip=check/canmount,chroot/mount,check/qemu',
    `--architectures=${platform.architecture}`,
    '--aptopt=APT::Install-Recommends "false"',
    `--include=${PACKAGES.join(',')}`,
    `--extract-hook=cp "$1"/var/cache/apt/archives/*.deb '${folder}'`,
    SUITE,
    join(folder, 'root'),
  ] as const;
  const { code, output } = await runToEnd(command);
  if (code === 0) return;
  throw new ImageError(`mmdebstrap failed; can this machine reach a Debian mirror?\n${output.trim().slice(-2_000)}`);
}

async function fromCache(
  platform: Platform,
  pins: readonly Pin[],
  cacheFolder: string,
): Promise<readonly DebianPackage[] | undefined> {
  if (pins.length !== PACKAGES.length) {
    throw new ImageError(`pins.json must name ${PACKAGES.join(', ')} for ${platform.architecture}`);
  }
  const found: DebianPackage[] = [];
  for (const pin of pins) {
    const file = join(cacheFolder, `${pin.sha256}.deb`);
    const content = await readFile(file).catch(() => undefined);
    if (content === undefined || createHash('sha256').update(content).digest('hex') !== pin.sha256) return undefined;
    found.push({ ...pin, file });
  }
  return found;
}
