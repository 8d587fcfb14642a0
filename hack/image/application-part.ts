import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { bundle } from '../build/bundle.ts';
import type { Component } from './component.ts';
import { ImageError } from './image-error.ts';
import type { NpmPackage } from './npm-package.ts';
import type { Platform } from './platform.ts';

/** A program of the image: `/app/NAME.js`. */
export interface Program {
  readonly name: string;
  readonly entry: string;
}

export interface ApplicationSources {
  readonly projectFolder: string;
  readonly version: string;
  readonly programs: readonly Program[];
  /** koffi itself, and its native part for the platform. */
  readonly koffi: NpmPackage;
  readonly koffiNative: NpmPackage;
}

/** Lays out our own programs as bundles, and the one package that cannot be bundled. */
export async function layOutApplication(
  root: string,
  platform: Platform,
  { projectFolder, version, programs, koffi, koffiNative }: ApplicationSources,
): Promise<readonly Component[]> {
  const own: string[] = ['app/package.json', 'app/LICENSE'];
  const bundled = new Map<string, Component>();
  await mkdir(join(root, 'app'), { recursive: true });
  await writeFile(join(root, 'app/package.json'), `${JSON.stringify({ name: 'ikemesh', version, type: 'module' })}\n`);
  await copyFile(join(projectFolder, 'LICENSE'), join(root, 'app/LICENSE'));
  for (const { name, entry } of programs) {
    const outfile = join(root, 'app', `${name}.js`);
    const inputs = await bundle(join(projectFolder, entry), outfile, { interpreter: '/usr/bin/node' });
    own.push(`app/${name}.js`, `app/${name}.js.map`);
    for (const component of await packagesOf(projectFolder, inputs)) bundled.set(component.purl, component);
    const licences = await licencesOf(projectFolder, inputs);
    await writeFile(join(root, 'app', `${name}.licences.txt`), licences);
    own.push(`app/${name}.licences.txt`);
  }
  const native = `app/node_modules/${koffiNative.name}`;
  const koffiFiles = await copyAll(koffi.folder, join(root, 'app/node_modules/koffi'), KOFFI_FILES);
  const nativeFiles = await copyAll(koffiNative.folder, join(root, native), [
    'package.json',
    'index.js',
    `linux_${platform.npm}/koffi.node`,
  ]);
  return [
    {
      kind: 'application',
      name: 'ikemesh',
      version,
      purl: `pkg:generic/ikemesh@${version}`,
      licence: 'Apache-2.0',
      files: own,
    },
    ...bundled.values(),
    componentOf(
      koffi.name,
      koffi.version,
      koffi.licence,
      koffiFiles.map((file) => `app/node_modules/koffi/${file}`),
    ),
    componentOf(
      koffiNative.name,
      koffiNative.version,
      koffiNative.licence,
      nativeFiles.map((file) => `${native}/${file}`),
    ),
  ];
}

/** What `import 'koffi'` reads. */
const KOFFI_FILES = [
  'package.json',
  'LICENSE.txt',
  'index.js',
  'index.cjs',
  'src/koffi/index.js',
  'src/koffi/index.cjs',
  'src/koffi/src/static.js',
];

/** The npm packages that files of a bundle come from. */
async function packagesOf(projectFolder: string, inputs: readonly string[]): Promise<readonly Component[]> {
  const components: Component[] = [];
  for (const folder of packageFolders(inputs)) {
    const { name, version, license } = JSON.parse(
      await readFile(join(projectFolder, folder, 'package.json'), 'utf8'),
    ) as { readonly name: string; readonly version: string; readonly license?: string };
    components.push(componentOf(name, version, license, []));
  }
  return components;
}

const LICENCE_FILE = /^(un)?licen[cs]e([.](md|txt))?$/i;

/** The licence texts of what is in a bundle, which their authors ask to be passed on. */
async function licencesOf(projectFolder: string, inputs: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const folder of packageFolders(inputs)) {
    const file = (await readdir(join(projectFolder, folder))).find((name) => LICENCE_FILE.test(name));
    if (file === undefined) throw new ImageError(`${folder} has no file with its licence, which must be passed on`);
    const text = await readFile(join(projectFolder, folder, file), 'utf8');
    texts.push(`${folder.replace(/^.*node_modules[/]/, '')}\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/** The folders of packages among a bundle's files, each once, in order. */
function packageFolders(inputs: readonly string[]): readonly string[] {
  const folders = inputs.flatMap((input) => /^(?:.*[/])?node_modules[/](?:@[^/]+[/])?[^/]+/.exec(input)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

function componentOf(name: string, version: string, licence: string | undefined, files: readonly string[]): Component {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { kind: 'library', name, version, purl, files, ...(licence === undefined ? {} : { licence }) };
}

async function copyAll(from: string, to: string, files: readonly string[]): Promise<readonly string[]> {
  for (const file of files) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await copyFile(join(from, file), join(to, file));
  }
  return files;
}
