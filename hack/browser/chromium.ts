import { access, chmod, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { err, ok, type Result } from '../../agent/result.ts';
import type { Recipe } from '../lab/host/recipe.ts';
import { labCacheFolder, librariesFolder, rootFolder, withRelativeInterpreter } from '../lab/host/root-folder.ts';

/**
 * The path of a Chromium without a window: of this machine or, where it has none, of Debian's package, which is unpacked with all
 * that it needs into a root folder of its own in the cache. Nothing is installed. The error says why it cannot be had.
 */
export async function chromiumProgram(say: (line: string) => void): Promise<Result<string, string>> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of NAMES) if (await isThere(join(folder, name))) return ok(join(folder, name));
  }
  try {
    const cacheFolder = join(labCacheFolder(process.env), '../browser');
    const onWay = (line: string): void => say(`Debian's chromium, by which the status page is looked at: ${line}`);
    const root = await rootFolder(RECIPE, { cacheFolder, say: onWay, signal: new AbortController().signal });
    return ok(await startable(root));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return err(`Debian's package chromium-headless-shell cannot be had; install chromium by hand\n${text}`);
  }
}

/**
 * Makes the program startable from outside of its root folder, as an ordinary process with the libraries and fonts of that: in a
 * chroot it would have no /proc, without which it does not find its own files.
 */
async function startable(root: string): Promise<string> {
  const script = join(root, 'chromium');
  if (await isThere(script)) return script;
  if (!(await isThere(join(root, 'lib64')))) await symlink('usr/lib64', join(root, 'lib64'));
  const program = withRelativeInterpreter(await readFile(join(root, FOLDER, 'chromium-headless-shell')));
  await put(join(root, FOLDER, 'chromium-relative'), program);
  const libraries = [librariesFolder, `${librariesFolder}/pulseaudio`, FOLDER]
    .map((folder) => `$PWD/${folder}`)
    .join(':');
  const lines = [
    '#!/bin/sh',
    'cd "$(dirname "$0")" || exit 1',
    `export FONTCONFIG_SYSROOT="$PWD"`,
    `LD_LIBRARY_PATH="${libraries}" exec ./${FOLDER}/chromium-relative "$@"`,
  ];
  await put(script, `${lines.join('\n')}\n`);
  return script;
}

/** Appears by one rename. */
async function put(file: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${file}.unfinished-${process.pid}`;
  await writeFile(unfinished, content);
  await chmod(unfinished, 0o755);
  await rename(unfinished, file);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** With a font, without which all text is boxes. */
const RECIPE: Recipe = {
  name: 'chromium',
  suite: 'trixie',
  packages: ['chromium-headless-shell', 'fonts-dejavu-core'],
  unpackedOnly: true,
};
const FOLDER = 'usr/lib/chromium';
