import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { runToEnd } from '../lab/host/subprocess.ts';
import type { Component } from './component.ts';
import type { DebianPackage } from './debian-packages.ts';
import { ImageError } from './image-error.ts';
import type { NpmPackage } from './npm-package.ts';
import type { Platform } from './platform.ts';

/**
 * Lays out what every program of the image runs on: Node, the libraries that it is linked with, the few files that
 * they read. No shell, no package manager.
 */
export async function layOutRuntime(
  root: string,
  platform: Platform,
  node: NpmPackage,
  libraries: readonly DebianPackage[],
): Promise<readonly Component[]> {
  const components: Component[] = [];
  for (const library of libraries) components.push(await layOutLibrary(root, platform, library));
  await linkLoader(root, platform);
  components.push(await layOutNode(root, platform, node));
  for (const [path, text] of Object.entries(SETTINGS)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  for (const folder of ['tmp', 'run']) await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  return components;
}

/** Users, and where names are looked up: the libraries ask for nothing else. */
export const SETTINGS: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\nikemesh:x:65532:65532:ikemesh:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nikemesh:x:65532:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
};

/** Shared objects and the licence of a Debian package; its translations, configuration and documentation stay out. */
async function layOutLibrary(root: string, platform: Platform, library: DebianPackage): Promise<Component> {
  const unpacked = await mkdtemp(join(tmpdir(), 'ikemesh-image-'));
  try {
    const { code, output } = await runToEnd(['dpkg-deb', '-x', library.file, unpacked]);
    if (code !== 0) throw new ImageError(`${library.package} cannot be unpacked: ${output.trim()}`);
    const files = [
      ...(await copyLibraries(root, unpacked, platform.libraries)),
      await copyLicence(root, unpacked, library.package),
    ];
    const { package: name, version, sha256 } = library;
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${platform.architecture}`;
    return { kind: 'library', name, version, purl, sha256, files };
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

async function copyLibraries(root: string, unpacked: string, libraries: string): Promise<readonly string[]> {
  const folder = join(unpacked, libraries);
  await mkdir(join(root, libraries), { recursive: true });
  const files: string[] = [];
  for (const entry of existsSync(folder) ? await readdir(folder, { withFileTypes: true }) : []) {
    if (entry.isDirectory() || !/[.]so([.]|$)/.test(entry.name)) continue;
    await cp(join(folder, entry.name), join(root, libraries, entry.name), { verbatimSymlinks: true });
    files.push(join(libraries, entry.name));
  }
  return files;
}

/** Copies the licence. Packages that are built from one source share it: then their folder is a link to another's. */
async function copyLicence(root: string, unpacked: string, name: string): Promise<string> {
  const folder = join('usr/share/doc', name);
  const path = (await lstat(join(unpacked, folder))).isSymbolicLink() ? folder : join(folder, 'copyright');
  await mkdir(dirname(join(root, path)), { recursive: true });
  await cp(join(unpacked, path), join(root, path), { verbatimSymlinks: true });
  return path;
}

/** The loader's path is written into Node's binary; Debian keeps the loader among the libraries. */
async function linkLoader(root: string, platform: Platform): Promise<void> {
  const link = join(root, platform.loader);
  await mkdir(dirname(link), { recursive: true });
  await symlink(join('/', platform.libraries, basename(platform.loader)), link);
}

async function layOutNode(root: string, platform: Platform, node: NpmPackage): Promise<Component> {
  const licence = 'usr/share/doc/node/LICENSE';
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await copyFile(join(node.folder, 'bin/node'), join(root, 'usr/bin/node'));
  await chmod(join(root, 'usr/bin/node'), 0o755);
  await mkdir(dirname(join(root, licence)), { recursive: true });
  await copyFile(join(node.folder, 'LICENSE'), join(root, licence));
  return {
    kind: 'platform',
    name: 'node',
    version: node.version,
    purl: `pkg:generic/node@${node.version}?arch=${platform.architecture}`,
    files: ['usr/bin/node', licence, platform.loader],
  };
}
